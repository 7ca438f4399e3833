// Parts of the sum of (scale a[i]) (scale b[i]), one part for each 4,096 numbers, side by side at
// `out`: squares of norms, and components of one vector along another. `factor` adds the parts.
//
// Grid: x and y over the tiles of the jobs, a part each, z over replicas. Numerics: f32, each of 64
// invocations sums every 64th number, then by halves.

struct Job { tile: u32, count: u32, left: u32, right: u32, scale: f32, out: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lanes

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    // The condition is uniform in the workgroup, as every condition before a barrier must be.
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let part = tile - job.tile;
    let base = group.z * params.stride;
    var sum = 0.0;
    for (var i = part * 4096u + lane; i < min(job.count, part * 4096u + 4096u); i += 64u) {
        sum += job.scale * arena[base + job.left + i] * (job.scale * arena[base + job.right + i]);
    }
    let total = sum_lanes(lane, sum);
    if lane == 0u {
        arena[base + job.out + part] = total;
    }
}
