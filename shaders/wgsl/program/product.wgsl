// C = scale (A1 B1 + A2 B2 + ...), or adds that to C; C (m, n), A (m, k), B (k, n), each a block of
// any strides. With `chunk` less than k, part p of the only product runs over k from p chunk on and
// is stored `part` numbers after the part before: `total` adds the parts.
//
// Grid: x and y over the tiles of the jobs, z over replicas. A tile is 64 rows by 64 columns: 16 x
// 16 invocations, each 4 rows by 4 columns in registers. Tiles of A (64, 16) and B (16, 64) pass
// through workgroup memory, 8.5 KiB; neighbours read what lies side by side.
// Numerics: f32, each element one running sum over the products in their order and ascending k. At
// most 65,535 sixteens of k in a part.

//#include program/factors
//#include program/job

// Vec4s of rows of A and of columns of B, with a stride of 17 from k to k, so that neighbours do
// not use the same memory bank.
var<workgroup> left_tile: array<vec4f, 272>;
var<workgroup> right_tile: array<vec4f, 272>;

// Returns four rows from `row` on of column k, 0 beyond `rows`.
fn four_rows(block: Block, replica: u32, row: u32, rows: u32, k: u32) -> vec4f {
    var four = vec4f();
    for (var i = 0u; i < 4u; i++) {
        if row + i < rows {
            four[i] = arena[block_at(block, replica, row + i, k)];
        }
    }
    return four;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    // The condition, like those of the loops below, is uniform in the workgroup.
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let place = tile - job.tile;
    let part = place / (job.across * job.down);
    let first_row = place / job.across % job.down * 64u;
    let first_col = place % job.across * 64u;
    let begin = part * job.chunk;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    for (var t = 0u; t < job.terms; t++) {
        let term = terms[job.first_term + t];
        let end = min(term.k, begin + job.chunk);
        // B's columns are the rows of its transpose.
        let right = Block(term.right.first, term.right.col, term.right.row);
        // The vec4 and the k that this invocation fetches: neighbours fetch neighbouring numbers.
        let left_by_k = term.left.col == 1u;
        let right_by_k = right.col == 1u;
        let left_four = select(lane % 16u, lane / 16u, left_by_k);
        let left_k = select(lane / 16u, lane % 16u, left_by_k);
        let right_four = select(lane % 16u, lane / 16u, right_by_k);
        let right_k = select(lane / 16u, lane % 16u, right_by_k);
        for (var k = begin; k < end; k += 16u) {
            workgroupBarrier();
            var left_rows = vec4f();
            if k + left_k < end {
                left_rows = four_rows(term.left, group.z, first_row + left_four * 4u, job.m, k + left_k);
            }
            left_tile[left_k * 17u + left_four] = left_rows;
            var right_cols = vec4f();
            if k + right_k < end {
                right_cols = four_rows(right, group.z, first_col + right_four * 4u, job.n, k + right_k);
            }
            right_tile[right_k * 17u + right_four] = right_cols;
            workgroupBarrier();
            let steps = min(16u, end - k);
            for (var i = 0u; i < steps; i++) {
                let a = left_tile[i * 17u + lane / 16u];
                let b = right_tile[i * 17u + lane % 16u];
                sum0 = fma(vec4f(a.x), b, sum0);
                sum1 = fma(vec4f(a.y), b, sum1);
                sum2 = fma(vec4f(a.z), b, sum2);
                sum3 = fma(vec4f(a.w), b, sum3);
            }
        }
    }
    let row = first_row + lane / 16u * 4u;
    let col = first_col + lane % 16u * 4u;
    store(job, group.z, part, row, col, sum0);
    store(job, group.z, part, row + 1u, col, sum1);
    store(job, group.z, part, row + 2u, col, sum2);
    store(job, group.z, part, row + 3u, col, sum3);
}

fn store(job: Job, replica: u32, part: u32, row: u32, col: u32, sum: vec4f) {
    if row >= job.m {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        if col + i < job.n {
            let at = block_at(job.out, replica, row, col + i) + part * job.part;
            let x = job.scale * sum[i];
            if job.add != 0u {
                arena[at] += x;
            } else {
                arena[at] = x;
            }
        }
    }
}
