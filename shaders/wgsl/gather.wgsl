// out[s] = sum over heads of A0 rows[a] + A1 rows[b], plus base: the neurons' inputs from U' and c,
// or the logits' first part from D' and d.
//
// samples (replicas, total, 3); attention (replicas, count, 3, heads); rows (replicas, 2p, heads,
// width); base (replicas, width); out (replicas, count, width).
//
// Grid: x and y over samples of the slice times groups of 64 columns, z over replicas.
// Numerics: f32; the base comes last, so that near zero, where a ReLU decides, it cancels exactly.

struct Params { p: u32, heads: u32, total: u32, first: u32, count: u32, width: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read> attention: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read> base: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let width = params.width;
    let blocks = (width + 63u) / 64u;
    let linear = group.y * groups.x + group.x;
    let s = linear / blocks;
    let j = (linear % blocks) * 64u + lane;
    if s >= params.count || j >= width {
        return;
    }
    let heads = params.heads;
    let sample = (group.z * params.total + params.first + s) * 3u;
    let table = group.z * 2u * params.p * heads;
    let of_a = (table + samples[sample] * heads) * width + j;
    let of_b = (table + (params.p + samples[sample + 1u]) * heads) * width + j;
    let weights = (group.z * params.count + s) * 3u * heads;
    var sum = 0.0;
    for (var h = 0u; h < heads; h++) {
        sum = fma(attention[weights + h], rows[of_a + h * width], sum);
        sum = fma(attention[weights + heads + h], rows[of_b + h * width], sum);
    }
    out[(group.z * params.count + s) * width + j] = sum + base[group.z * width + j];
}
