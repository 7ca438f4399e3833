// C = scale (A1 B1 + A2 B2 + ...), or adds that to C: product's jobs, read from memory into
// registers without workgroup memory.
//
// Grid: as product's, with tiles of 8 rows by 128 columns: each of 32 invocations keeps 8 rows by
// 4 columns, 32 apart, in registers; its rows are the same in the whole workgroup. No workgroup
// memory, no barriers: for processors that play a GPU.
// Numerics: as product's, to the bit. At most 65,535 of k in a part.

//#include program/factors
//#include program/job

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let place = tile - job.tile;
    let part = place / (job.across * job.down);
    let row = place / job.across % job.down * 8u;
    let col = place % job.across * 128u + lane;
    let begin = part * job.chunk;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    var sum4 = vec4f();
    var sum5 = vec4f();
    var sum6 = vec4f();
    var sum7 = vec4f();
    // Beyond the last row and column, the last ones are read again and not kept.
    let last = job.m - 1u;
    let cols = min(vec4u(col) + vec4u(0u, 32u, 64u, 96u), vec4u(job.n - 1u));
    for (var t = 0u; t < job.terms; t++) {
        let term = terms[job.first_term + t];
        let end = min(term.k, begin + job.chunk);
        let left = block_at(term.left, group.z, 0u, begin);
        var row0 = left + min(row, last) * term.left.row;
        var row1 = left + min(row + 1u, last) * term.left.row;
        var row2 = left + min(row + 2u, last) * term.left.row;
        var row3 = left + min(row + 3u, last) * term.left.row;
        var row4 = left + min(row + 4u, last) * term.left.row;
        var row5 = left + min(row + 5u, last) * term.left.row;
        var row6 = left + min(row + 6u, last) * term.left.row;
        var row7 = left + min(row + 7u, last) * term.left.row;
        var right = vec4u(block_at(term.right, group.z, begin, 0u)) + cols * term.right.col;
        for (var k = begin; k < end; k++) {
            let b = vec4f(arena[right.x], arena[right.y], arena[right.z], arena[right.w]);
            sum0 = fma(vec4f(arena[row0]), b, sum0);
            sum1 = fma(vec4f(arena[row1]), b, sum1);
            sum2 = fma(vec4f(arena[row2]), b, sum2);
            sum3 = fma(vec4f(arena[row3]), b, sum3);
            sum4 = fma(vec4f(arena[row4]), b, sum4);
            sum5 = fma(vec4f(arena[row5]), b, sum5);
            sum6 = fma(vec4f(arena[row6]), b, sum6);
            sum7 = fma(vec4f(arena[row7]), b, sum7);
            let on = term.left.col;
            row0 += on;
            row1 += on;
            row2 += on;
            row3 += on;
            row4 += on;
            row5 += on;
            row6 += on;
            row7 += on;
            right += vec4u(term.right.row);
        }
    }
    store(job, group.z, part, row, col, sum0);
    store(job, group.z, part, row + 1u, col, sum1);
    store(job, group.z, part, row + 2u, col, sum2);
    store(job, group.z, part, row + 3u, col, sum3);
    store(job, group.z, part, row + 4u, col, sum4);
    store(job, group.z, part, row + 5u, col, sum5);
    store(job, group.z, part, row + 6u, col, sum6);
    store(job, group.z, part, row + 7u, col, sum7);
}

fn store(job: Job, replica: u32, part: u32, row: u32, col: u32, sum: vec4f) {
    if row >= job.m {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        let at_col = col + i * 32u;
        if at_col < job.n {
            let at = block_at(job.out, replica, row, at_col) + part * job.part;
            let x = job.scale * sum[i];
            if job.add != 0u {
                arena[at] += x;
            } else {
                arena[at] = x;
            }
        }
    }
}
