// x[row] = W_E[token] + W_pos[position]; xd[row] = x[row] - x['='].
//
// arena (replicas, stride), in vec4s, with W_E (p + 1, d4) at `embed`, W_pos (3, d4) at `pos`,
// x (2p + 1, d4) at `x`, xd (2p, d4) at `xd`; d4 vec4s a row. Rows t < p are token t at position 0,
// p <= t < 2p token t - p at position 1, row 2p is '=' at position 2.
//
// Grid: x and y over (2p + 1) d4 in groups of 64, z over replicas. Numerics: f32, one rounding
// each.

struct Params { p: u32, d4: u32, stride: u32, embed: u32, pos: u32, x: u32, xd: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> arena: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    let p = params.p;
    let d4 = params.d4;
    if index >= (2u * p + 1u) * d4 {
        return;
    }
    let row = index / d4;
    let k = index % d4;
    let token = select(row % p, p, row == 2u * p);
    let base = group.z * params.stride;
    let embed = base + params.embed + k;
    let pos = base + params.pos + k;
    let value = arena[embed + token * d4] + arena[pos + (row / p) * d4];
    arena[base + params.x + index] = value;
    if row < 2u * p {
        arena[base + params.xd + index] = value - (arena[embed + p * d4] + arena[pos + 2u * d4]);
    }
}
