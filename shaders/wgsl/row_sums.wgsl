// out[t, h, j] = sum over the samples s of token row t of weights[s, position, h] values[s, j]: the
// gradients of U' and D' from those of the neurons and the logits.
//
// starts (replicas, 2p + 1) and lists (replicas, 2n): the samples of each row, ascending;
// weights (replicas, n, 3, heads); values (replicas, n, width), or none with width 1: then the
// weights themselves are summed; out (replicas, 2p, heads, width) at `replica` numbers a replica.
//
// Grid: x over width in groups of 64, y over 2p * heads, z over replicas.
// Numerics: one running sum in the order of the list; a row has at most p samples.

struct Params { p: u32, heads: u32, n: u32, width: u32, replica: u32, plain: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> lists: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let width = params.width;
    if id.x >= width {
        return;
    }
    let heads = params.heads;
    let row = id.y / heads;
    let h = id.y % heads;
    let position = row / params.p;
    let start = id.z * (2u * params.p + 1u) + row;
    let list = id.z * 2u * params.n;
    var sum = 0.0;
    for (var i = starts[start]; i < starts[start + 1u]; i++) {
        let s = id.z * params.n + lists[list + i];
        let weight = weights[(s * 3u + position) * heads + h];
        if params.plain != 0u {
            sum += weight;
        } else {
            sum = fma(weight, values[s * width + id.x], sum);
        }
    }
    out[id.z * params.replica + id.y * width + id.x] = sum;
}
