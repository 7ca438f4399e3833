// 4 x 4 blocks, and the order of every sum of products.

struct Block { r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f }

// Adds one row's products for four k, in ascending k.
fn step(sum: vec4f, a: vec4f, b: Block) -> vec4f {
    return fma(vec4f(a.w), b.r3, fma(vec4f(a.z), b.r2, fma(vec4f(a.y), b.r1, fma(vec4f(a.x), b.r0, sum))));
}

// Adds the products of four rows.
fn step_block(sum: Block, a: Block, b: Block) -> Block {
    return Block(step(sum.r0, a.r0, b), step(sum.r1, a.r1, b), step(sum.r2, a.r2, b), step(sum.r3, a.r3, b));
}
