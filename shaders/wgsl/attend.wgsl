// A = softmax over the scores of a, b and '=', for each pair and head.
//
// samples (replicas, total, 3): a, b, label; scores (replicas, 2p + 1, heads);
// attention (replicas, count, 3, heads).
//
// Grid: x over count * heads in groups of 64, z over replicas; `first` is the first sample.
// Numerics: the largest score of the pair is taken off first, so scores of any spread are safe.

struct Params { p: u32, heads: u32, total: u32, first: u32, count: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read_write> attention: array<f32>;

//#include exp

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    let heads = params.heads;
    if index >= params.count * heads {
        return;
    }
    let replica = group.z;
    let s = index / heads;
    let h = index % heads;
    let sample = (replica * params.total + params.first + s) * 3u;
    let base = replica * (2u * params.p + 1u) * heads + h;
    let to_a = scores[base + samples[sample] * heads];
    let to_b = scores[base + (params.p + samples[sample + 1u]) * heads];
    let to_eq = scores[base + 2u * params.p * heads];
    let largest = max(max(to_a, to_b), to_eq);
    let a = exp_accurate(to_a - largest);
    let b = exp_accurate(to_b - largest);
    let eq = exp_accurate(to_eq - largest);
    let total = a + b + eq;
    let out = (replica * params.count + s) * 3u * heads + h;
    attention[out] = a / total;
    attention[out + heads] = b / total;
    attention[out + 2u * heads] = eq / total;
}
