// C = alpha (A1 B1 + A2 B2 + ...): product's plan, arena and sums, through workgroup memory.
//
// Grid: as product's, with tiles of 64 rows by 64 columns: 8 x 16 invocations, each 8 rows by 4
// columns in registers. Tiles of A (64, 32) and B (32, 64) pass through workgroup memory, 16 KiB,
// in which every invocation puts one 4 x 4 block of each; neighbours read neighbouring vec4s. For
// GPUs, where memory is far and barriers are cheap.
// Numerics: as product's, to the bit. At most 65,535 vec4s of k in all.

//#include block
//#include plan

// (64 rows, 8 vec4s of k) and (32 k, 16 vec4s of columns)
var<workgroup> a_tile: array<vec4f, 512>;
var<workgroup> b_tile: array<vec4f, 512>;

// Returns the block at `row` of the m or n rows or columns, and at `at` of k; 0 beyond either.
// `k_rows` says whether the stored rows are k.
fn fetch(place: u32, step: u32, row: u32, limit: u32, at: u32, k: u32, k_rows: bool, flip: bool) -> Block {
    if at >= k || row >= limit {
        return Block();
    }
    let block = load(place, step, select(row, at, k_rows), select(limit, k, k_rows), select(at, row, k_rows) / 4u);
    return flip_if(block, flip);
}

// Returns four rows of the tile of A, for four k.
fn a_block(at: u32) -> Block {
    return Block(a_tile[at], a_tile[at + 8u], a_tile[at + 16u], a_tile[at + 24u]);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = group.y * groups.x + group.x;
    // The condition, like those of the loops below, is uniform in the workgroup.
    if index >= params.count {
        return;
    }
    let tile = plan[params.tiles + index];
    let job = plan[tile.x];
    let more = plan[tile.x + 1u];
    let base = group.z * params.stride;
    let column = lane % 16u;
    let first = lane / 16u * 8u;
    // The first four rows of the invocation, and the second four.
    var upper = Block();
    var lower = Block();
    for (var s = 0u; s < more.y; s++) {
        let places = plan[more.x + 2u * s];
        let stored = plan[more.x + 2u * s + 1u];
        let k = stored.x;
        let a_flip = stored.y != 0u;
        let b_flip = stored.z != 0u;
        // The blocks that this invocation fetches, in vec4s of rows or columns and of k; the stored
        // order varies fastest.
        let a_row4 = select(lane / 8u, lane % 16u, a_flip);
        let a_k4 = select(lane % 8u, lane / 16u, a_flip);
        let b_col4 = select(lane % 16u, lane / 8u, b_flip);
        let b_k4 = select(lane / 16u, lane % 8u, b_flip);
        let row = tile.y + a_row4 * 4u;
        let col = (tile.z + b_col4) * 4u;
        let a = base + places.x;
        let b = base + places.z;
        var left = fetch(a, places.y, row, job.x, a_k4 * 4u, k, a_flip, a_flip);
        var right = fetch(b, places.w, col, job.y, b_k4 * 4u, k, !b_flip, b_flip);
        for (var kk = 0u; kk < k; kk += 32u) {
            workgroupBarrier();
            let a_at = a_row4 * 32u + a_k4;
            a_tile[a_at] = left.r0;
            a_tile[a_at + 8u] = left.r1;
            a_tile[a_at + 16u] = left.r2;
            a_tile[a_at + 24u] = left.r3;
            let b_at = b_k4 * 64u + b_col4;
            b_tile[b_at] = right.r0;
            b_tile[b_at + 16u] = right.r1;
            b_tile[b_at + 32u] = right.r2;
            b_tile[b_at + 48u] = right.r3;
            workgroupBarrier();
            // The next blocks are fetched while the present ones are multiplied.
            let next = kk + 32u;
            left = fetch(a, places.y, row, job.x, next + a_k4 * 4u, k, a_flip, a_flip);
            right = fetch(b, places.w, col, job.y, next + b_k4 * 4u, k, !b_flip, b_flip);
            let steps = min(32u, k - kk);
            for (var i = 0u; i < steps; i += 4u) {
                let at = first * 8u + i / 4u;
                let start = i * 16u + column;
                let b = Block(b_tile[start], b_tile[start + 16u], b_tile[start + 32u], b_tile[start + 48u]);
                upper = step_block(upper, a_block(at), b);
                lower = step_block(lower, a_block(at + 32u), b);
            }
        }
    }
    let alpha = bitcast<f32>(more.z);
    let row = tile.y + first;
    let four = tile.z + column;
    store_block(base, job, alpha, row, four, upper);
    store_block(base, job, alpha, row + 4u, four, lower);
}
