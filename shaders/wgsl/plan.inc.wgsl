// The code that both product kernels share besides the sums: the plan's words, and blocks read from
// and written to the arena.

struct Params { tiles: u32, count: u32, stride: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> plan: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> arena: array<vec4f>;

// Returns four rows of four numbers, from row `row` and the `four`-th vec4 of a row on; rows from
// `limit` on are 0.
fn load(base: u32, stride: u32, row: u32, limit: u32, four: u32) -> Block {
    let last = limit - 1u;
    let at = base + four;
    var block: Block;
    block.r0 = select(vec4f(), arena[at + min(row, last) * stride], row < limit);
    block.r1 = select(vec4f(), arena[at + min(row + 1u, last) * stride], row + 1u < limit);
    block.r2 = select(vec4f(), arena[at + min(row + 2u, last) * stride], row + 2u < limit);
    block.r3 = select(vec4f(), arena[at + min(row + 3u, last) * stride], row + 3u < limit);
    return block;
}

fn flip_if(b: Block, flip: bool) -> Block {
    var t: Block;
    t.r0 = select(b.r0, vec4f(b.r0.x, b.r1.x, b.r2.x, b.r3.x), flip);
    t.r1 = select(b.r1, vec4f(b.r0.y, b.r1.y, b.r2.y, b.r3.y), flip);
    t.r2 = select(b.r2, vec4f(b.r0.z, b.r1.z, b.r2.z, b.r3.z), flip);
    t.r3 = select(b.r3, vec4f(b.r0.w, b.r1.w, b.r2.w, b.r3.w), flip);
    return t;
}

// Stores four columns of row `row` of C (m, n), with 0 beyond column n.
fn store(base: u32, job: vec4u, alpha: f32, row: u32, four: u32, sum: vec4f) {
    if row >= job.x || four * 4u >= job.y {
        return;
    }
    let inside = vec4u(four * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(job.y);
    arena[base + job.z + row * job.w + four] = select(vec4f(), alpha * sum, inside);
}

// Stores four rows of C from row `row` on.
fn store_block(base: u32, job: vec4u, alpha: f32, row: u32, four: u32, sum: Block) {
    store(base, job, alpha, row, four, sum.r0);
    store(base, job, alpha, row + 1u, four, sum.r1);
    store(base, job, alpha, row + 2u, four, sum.r2);
    store(base, job, alpha, row + 3u, four, sum.r3);
}
