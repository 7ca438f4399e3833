// x[row] = W_E[token] + W_pos[position]; xd[row] = x[row] - x['=']; and the seeds of two sums:
// r = x['='], c = b_in.
//
// parameters (replicas, stored), x (replicas, 2p + 1, d), xd (replicas, 2p, d), r (replicas, d),
// c (replicas, f). Rows t < p are token t at position 0, p <= t < 2p token t - p at position 1, row
// 2p is '=' at position 2.
//
// Grid: x over max((2p + 1) d, f) in groups of 64, z over replicas. Numerics: f32, one rounding each.

struct Params { p: u32, d: u32, f: u32, stored: u32, pos: u32, bias: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> xd: array<f32>;
@group(0) @binding(4) var<storage, read_write> r: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let p = params.p;
    let d = params.d;
    let base = id.z * params.stored;
    if id.x < params.f {
        c[id.z * params.f + id.x] = parameters[base + params.bias + id.x];
    }
    let rows = 2u * p;
    if id.x >= (rows + 1u) * d {
        return;
    }
    let row = id.x / d;
    let k = id.x % d;
    var token = row % p;
    if row == rows {
        token = p;
    }
    let value = parameters[base + token * d + k] + parameters[base + params.pos + (row / p) * d + k];
    let eq = parameters[base + p * d + k] + parameters[base + params.pos + 2u * d + k];
    x[(id.z * (rows + 1u) + row) * d + k] = value;
    if row == rows {
        r[id.z * d + k] = value;
    } else {
        xd[(id.z * rows + row) * d + k] = value - eq;
    }
}
