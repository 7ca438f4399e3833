// dW_E[t] = dx[t] + dx[p + t]; dW_E['='] = dW_pos[2] = dx['='] + dr - sum of dxd: '=' also is in every
// difference x[t] - x['='] and in r.
//
// dx (replicas, 2p + 1, d); dr, dxd_sum (replicas, d); gradient (replicas, stored), W_E at 0, W_pos
// at `pos`.
//
// Grid: x over (p + 1) d in groups of 64, z over replicas.

struct Params { p: u32, d: u32, stored: u32, pos: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dx: array<f32>;
@group(0) @binding(2) var<storage, read> dr: array<f32>;
@group(0) @binding(3) var<storage, read> dxd_sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let p = params.p;
    let d = params.d;
    if id.x >= (p + 1u) * d {
        return;
    }
    let token = id.x / d;
    let k = id.x % d;
    let base = id.z * (2u * p + 1u) * d;
    let out = id.z * params.stored;
    if token < p {
        gradient[out + id.x] = dx[base + id.x] + dx[base + p * d + id.x];
    } else {
        let value = dx[base + 2u * p * d + k] + (dr[id.z * d + k] - dxd_sum[id.z * d + k]);
        gradient[out + id.x] = value;
        gradient[out + params.pos + 2u * d + k] = value;
    }
}
