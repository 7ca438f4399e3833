// out[r, t, h] = p[r, t, h] (dp[r, t, h] - the sum over the keys t of p dp), or adds that to out;
// column t heads + h is key t of head h.
//
// Grid: x and y over the tiles of the jobs, 64 heads of a row each, z over replicas. Numerics: f32,
// sums in the keys' order.

struct Job { tile: u32, rows: u32, heads: u32, keys: u32, weights: Block, gradient: Block, out: Block, add: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let i = (tile - job.tile) * 64u + lane;
    if i >= job.rows * job.heads {
        return;
    }
    let row = i / job.heads;
    let head = i % job.heads;
    var mean = 0.0;
    for (var key = 0u; key < job.keys; key++) {
        let col = key * job.heads + head;
        mean += arena[block_at(job.weights, group.z, row, col)] * arena[block_at(job.gradient, group.z, row, col)];
    }
    for (var key = 0u; key < job.keys; key++) {
        let col = key * job.heads + head;
        let weight = arena[block_at(job.weights, group.z, row, col)];
        let x = weight * (arena[block_at(job.gradient, group.z, row, col)] - mean);
        let at = block_at(job.out, group.z, row, col);
        if job.add != 0u {
            arena[at] += x;
        } else {
            arena[at] = x;
        }
    }
}
