// Gradients of the three attention scores of each pair and head.
//
// dA0 = U'[a].dpre + D'[a].g, dA1 the same with b; S = A0 dA0 + A1 dA1;
// ds_a = A0 (dA0 - S), ds_b = A1 (dA1 - S), ds_eq = -A2 S.
//
// samples (replicas, n, 3); attention (replicas, n, 3, heads); neuron_rows (replicas, 2p, heads, f);
// logit_rows (replicas, 2p, heads, p); dpre (replicas, n, f); g (replicas, n, p);
// out (replicas, n, 3, heads).
//
// Grid: a workgroup a pair: x and y over pairs, z over replicas. Numerics: each lane sums every
// 64th element, then lanes by halves.

struct Params { p: u32, heads: u32, f: u32, n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read> attention: array<f32>;
@group(0) @binding(3) var<storage, read> neuron_rows: array<f32>;
@group(0) @binding(4) var<storage, read> logit_rows: array<f32>;
@group(0) @binding(5) var<storage, read> dpre: array<f32>;
@group(0) @binding(6) var<storage, read> g: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

var<workgroup> sums: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let s = group.y * groups.x + group.x;
    // Uniform in the workgroup.
    if s >= params.n {
        return;
    }
    let p = params.p;
    let f = params.f;
    let heads = params.heads;
    let index = group.z * params.n + s;
    let rows = group.z * 2u * p;
    let row_a = rows + samples[index * 3u];
    let row_b = rows + p + samples[index * 3u + 1u];
    for (var h = 0u; h < heads; h++) {
        let a = row_a * heads + h;
        let b = row_b * heads + h;
        var sum = vec2f();
        for (var j = lane; j < f; j += 64u) {
            sum += dpre[index * f + j] * vec2f(neuron_rows[a * f + j], neuron_rows[b * f + j]);
        }
        for (var j = lane; j < p; j += 64u) {
            sum += g[index * p + j] * vec2f(logit_rows[a * p + j], logit_rows[b * p + j]);
        }
        workgroupBarrier();
        sums[lane] = sum;
        for (var half = 32u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if lane < half {
                sums[lane] += sums[lane + half];
            }
        }
        if lane == 0u {
            let at = index * 3u * heads + h;
            let to_a = attention[at];
            let to_b = attention[at + heads];
            let mean = to_a * sums[0].x + to_b * sums[0].y;
            out[at] = to_a * (sums[0].x - mean);
            out[at + heads] = to_b * (sums[0].y - mean);
            out[at + 2u * heads] = -attention[at + 2u * heads] * mean;
        }
    }
}
