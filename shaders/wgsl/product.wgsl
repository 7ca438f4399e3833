// C = alpha (A1 B1 + A2 B2 + ...), for the many products of a level of the program at once.
//
// arena (replicas, stride), in vec4s, holds every matrix; the rows of each are padded with 0 to
// whole vec4s. plan: for each workgroup a tile (job, first row, first column / 4, 0); at `job` the
// job (m, n, place of C, vec4s from row to row), (first segment, segments, alpha, 0); at each
// segment (place of A, vec4s from row to row, place of B, vec4s from row to row), (k, 1 if A is
// stored as (k, m), 1 if B is stored as (n, k), 0). Places are in vec4s from the replica's start.
//
// Grid: x and y over the `count` tiles from `tiles` on, z over replicas. A tile is 8 rows by 128
// columns: each invocation keeps 8 rows by 4 columns in registers; its rows are the same in the
// whole workgroup. No workgroup memory, no barriers: for processors that play a GPU.
// Numerics: f32, each element one running sum over the segments in their order and ascending k, as
// in product_tiled, so both give the same bits on one device. At most 65,535 vec4s of k in all.

//#include block
//#include plan

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = group.y * groups.x + group.x;
    if index >= params.count {
        return;
    }
    let tile = plan[params.tiles + index];
    let job = plan[tile.x];
    let more = plan[tile.x + 1u];
    let base = group.z * params.stride;
    let row = tile.y;
    let four = tile.z + lane;
    if four * 4u >= job.y {
        return;
    }
    // The first four rows of the invocation, and the second four.
    var upper = Block();
    var lower = Block();
    for (var s = 0u; s < more.y; s++) {
        let places = plan[more.x + 2u * s];
        let stored = plan[more.x + 2u * s + 1u];
        let k = stored.x;
        let a = base + places.x;
        let b = base + places.z;
        let a_flip = stored.y != 0u;
        let b_flip = stored.z != 0u;
        let a_limit = select(job.x, k, a_flip);
        let b_limit = select(k, job.y, b_flip);
        for (var kk = 0u; kk < k; kk += 4u) {
            let a_row = select(row, kk, a_flip);
            let a_four = select(kk, row, a_flip) / 4u;
            // The second block: four rows further, or one vec4 further.
            let low = flip_if(load(a, places.y, a_row, a_limit, a_four), a_flip);
            let high = flip_if(load(a, places.y, select(row + 4u, kk, a_flip), a_limit, select(kk / 4u, row / 4u + 1u, a_flip)), a_flip);
            let right = flip_if(load(b, places.w, select(kk, four * 4u, b_flip), b_limit, select(four, kk / 4u, b_flip)), b_flip);
            upper = step_block(upper, low, right);
            lower = step_block(lower, high, right);
        }
    }
    let alpha = bitcast<f32>(more.z);
    store_block(base, job, alpha, row, four, upper);
    store_block(base, job, alpha, row + 4u, four, lower);
}
