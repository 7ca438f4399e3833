// out[r, j] = (x[r, j] - mean) inverse[r], inverse[r] = 1 / sqrt(variance + epsilon), with mean and
// variance of row r.
//
// Grid: x and y over the tiles of the jobs, a row each, z over replicas; 64 invocations along the
// columns. Numerics: f32, each invocation sums every 64th column, then by halves; the variance is
// of the differences from the mean.

struct Job { tile: u32, cols: u32, epsilon: f32, input: Block, inverse: Block, out: Block }

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
    for (var j = lane; j < job.cols; j += 64u) {
        sum += arena[block_at(job.input, group.z, row, j)];
    }
    let mean = sum_lanes(lane, sum) / f32(job.cols);
    var squares = 0.0;
    for (var j = lane; j < job.cols; j += 64u) {
        let apart = arena[block_at(job.input, group.z, row, j)] - mean;
        squares += apart * apart;
    }
    let inverse = 1.0 / sqrt(sum_lanes(lane, squares) / f32(job.cols) + job.epsilon);
    for (var j = lane; j < job.cols; j += 64u) {
        let x = arena[block_at(job.input, group.z, row, j)];
        arena[block_at(job.out, group.z, row, j)] = (x - mean) * inverse;
    }
    if lane == 0u {
        arena[block_at(job.inverse, group.z, row, 0u)] = inverse;
    }
}
