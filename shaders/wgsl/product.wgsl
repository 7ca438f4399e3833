// C = alpha (A1 B1 + A2 B2 + ...), for the many products of a level of the program at once.
//
// arena (replicas, stride), in fours, holds every matrix; the rows of each are padded with 0 to whole
// fours. plan: for each workgroup a tile (job, first row, first column / 4, 0); at `job` the job
// (m, n, place of C, fours from row to row), (first segment, segments, alpha, 0); at each segment
// (place of A, fours from row to row, place of B, fours from row to row), (k, 1 if A is stored as
// (k, m), 1 if B is stored as (n, k), 0). Places are in fours from the replica's start.
//
// Grid: x and y over the `count` tiles from `tiles` on, z over replicas. A tile is 8 rows by 128
// columns: each invocation keeps 8 rows by 4 columns in registers; its rows are the same in the whole
// workgroup. No workgroup memory, no barriers: for processors that play a GPU.
// Numerics: f32, each element one running sum over the segments in their order and ascending k, as in
// product_tiled, so both give the same bits on one device. At most 65,535 fours of k in all.

//#include block

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
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    var sum4 = vec4f();
    var sum5 = vec4f();
    var sum6 = vec4f();
    var sum7 = vec4f();
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
            // The second block: four rows on, or one four on.
            let low = flip_if(load(a, places.y, a_row, a_limit, a_four), a_flip);
            let high = flip_if(load(a, places.y, select(row + 4u, kk, a_flip), a_limit, select(kk / 4u, row / 4u + 1u, a_flip)), a_flip);
            let right = flip_if(load(b, places.w, select(kk, four * 4u, b_flip), b_limit, select(four, kk / 4u, b_flip)), b_flip);
            sum0 = step(sum0, low.r0, right);
            sum1 = step(sum1, low.r1, right);
            sum2 = step(sum2, low.r2, right);
            sum3 = step(sum3, low.r3, right);
            sum4 = step(sum4, high.r0, right);
            sum5 = step(sum5, high.r1, right);
            sum6 = step(sum6, high.r2, right);
            sum7 = step(sum7, high.r3, right);
        }
    }
    let alpha = bitcast<f32>(more.z);
    store(base, job, alpha, row, four, sum0);
    store(base, job, alpha, row + 1u, four, sum1);
    store(base, job, alpha, row + 2u, four, sum2);
    store(base, job, alpha, row + 3u, four, sum3);
    store(base, job, alpha, row + 4u, four, sum4);
    store(base, job, alpha, row + 5u, four, sum5);
    store(base, job, alpha, row + 6u, four, sum6);
    store(base, job, alpha, row + 7u, four, sum7);
}
