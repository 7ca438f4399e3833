// The jobs of both product kernels.

struct Job {
    tile: u32,
    m: u32,
    n: u32,
    // number of tiles in a row of tiles, and number of rows of tiles
    across: u32,
    down: u32,
    first_term: u32,
    terms: u32,
    out: Block,
    scale: f32,
    add: u32,
    chunk: u32,
    part: u32,
}

struct Term { left: Block, right: Block, k: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> terms: array<Term>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;
