// out[r] = inverse[r] (dy[r] - mean(dy[r]) - y[r] mean(dy[r] y[r])), or adds that to out: the
// adjoint of the norm whose output is y.
//
// Grid: x and y over the tiles of the jobs, a row each, z over replicas; 64 invocations along the
// columns. Numerics: f32, each invocation sums every 64th column, then by halves.

struct Job { tile: u32, cols: u32, normed: Block, inverse: Block, gradient: Block, out: Block, add: u32 }

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
    let row = tile - job.tile;
    var sum = 0.0;
    var products = 0.0;
    for (var j = lane; j < job.cols; j += 64u) {
        let dy = arena[block_at(job.gradient, group.z, row, j)];
        sum += dy;
        products += dy * arena[block_at(job.normed, group.z, row, j)];
    }
    let shift = sum_lanes(lane, sum) / f32(job.cols);
    let along = sum_lanes(lane, products) / f32(job.cols);
    let inverse = arena[block_at(job.inverse, group.z, row, 0u)];
    for (var j = lane; j < job.cols; j += 64u) {
        let dy = arena[block_at(job.gradient, group.z, row, j)];
        let y = arena[block_at(job.normed, group.z, row, j)];
        let x = inverse * (dy - shift - y * along);
        let at = block_at(job.out, group.z, row, j);
        if job.add != 0u {
            arena[at] += x;
        } else {
            arena[at] = x;
        }
    }
}
