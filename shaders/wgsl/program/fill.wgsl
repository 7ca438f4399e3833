// out[i] = value, for `count` numbers side by side: what a program clears.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each, z over replicas.

struct Job { tile: u32, first: u32, count: u32, value: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let i = (tile - job.tile) * 256u + lane;
    if i < job.count {
        arena[group.z * params.stride + job.first + i] = job.value;
    }
}
