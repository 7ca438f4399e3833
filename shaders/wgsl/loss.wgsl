// The loss of each pair, whether its largest logit is the label's, and the gradient of the logits.
//
// m = max l; S = sum over j != y of e^(l_j - m); Z = S + e^(l_y - m). The loss is log1p(S) where
// l_y = m, else (m - l_y) + log(Z); the gradient is -S/Z at y and e^(l_j - m)/Z elsewhere, times scale.
// The label's class is left out of the sum, so nothing cancels however small the loss (science 1.8).
//
// samples (replicas, total, 3); logits (replicas, count, p), replaced by the gradient if scale > 0;
// results (replicas, total, 2): loss, 1 if right. Ties go to the first class, as torch's argmax.
//
// Grid: a workgroup a pair: x and y over the pairs of the slice, z over replicas.
// Numerics: sums over lanes by halves, in a fixed order.

struct Params { p: u32, total: u32, first: u32, count: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

//#include exp

var<workgroup> values: array<f32, 64>;
var<workgroup> places: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let p = params.p;
    let s = group.y * groups.x + group.x;
    // Uniform in the workgroup, so the barriers below are reached by all or none.
    if s >= params.count {
        return;
    }
    let replica = group.z;
    let sample = replica * params.total + params.first + s;
    let label = samples[sample * 3u + 2u];
    let base = (replica * params.count + s) * p;

    var best = logits[base + min(lane, p - 1u)];
    var place = min(lane, p - 1u);
    for (var j = lane + 64u; j < p; j += 64u) {
        if logits[base + j] > best {
            best = logits[base + j];
            place = j;
        }
    }
    values[lane] = best;
    places[lane] = place;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let other = values[lane + half];
            let earlier = places[lane + half] < places[lane];
            if other > values[lane] || (other == values[lane] && earlier) {
                values[lane] = other;
                places[lane] = places[lane + half];
            }
        }
    }
    workgroupBarrier();
    let largest = values[0];
    let right = places[0] == label;
    workgroupBarrier();

    let own = logits[base + label];
    var sum = 0.0;
    for (var j = lane; j < p; j += 64u) {
        if j != label {
            sum += exp_accurate(logits[base + j] - largest);
        }
    }
    values[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            values[lane] += values[lane + half];
        }
    }
    workgroupBarrier();
    let others = values[0];
    let total = others + exp_accurate(own - largest);

    if lane == 0u {
        var loss = log1p_accurate(others);
        if own != largest {
            loss = (largest - own) + log(total);
        }
        results[sample * 2u] = loss;
        results[sample * 2u + 1u] = select(0.0, 1.0, right);
    }
    if params.scale > 0.0 {
        let factor = params.scale / total;
        for (var j = lane; j < p; j += 64u) {
            let gradient = exp_accurate(logits[base + j] - largest) * factor;
            logits[base + j] = select(gradient, -others * factor, j == label);
        }
    }
}
