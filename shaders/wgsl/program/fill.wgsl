// out[i] = value, for `count` numbers side by side: what a program clears.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each, four an
// invocation, z over replicas.

struct Job { tile: u32, first: u32, count: u32, value: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job

fn one_number(job: Job, replica: u32, i: u32) {
    if i < job.count {
        arena[replica * params.stride + job.first + i] = job.value;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    for (var c = 0u; c < 4u; c++) {
        one_number(job, group.z, (tile - job.tile) * 256u + c * 64u + lane);
    }
}
