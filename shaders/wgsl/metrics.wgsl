// Sums of losses and right answers of one part, into the ring that the host reads.
//
// results (replicas, total, 2); clock (1): the epoch's number in this window;
// ring (window, replicas, 2 parts, 33): 32 partial sums of losses, then the number of right answers.
//
// Grid: one workgroup a replica (x). Numerics: each lane sums every 256th pair, then lanes by halves
// down to 32, which the host adds in f64: one f32 of the whole sum would round the loss to 6e-8. At
// most 65,535 pairs a lane.

struct Params { total: u32, replicas: u32, part: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> results: array<f32>;
@group(0) @binding(2) var<storage, read> clock: array<u32>;
@group(0) @binding(3) var<storage, read_write> ring: array<f32>;

var<workgroup> losses: array<f32, 256>;
var<workgroup> rights: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var loss = 0.0;
    var right = 0.0;
    for (var s = lane; s < params.total; s += 256u) {
        let at = (group.x * params.total + s) * 2u;
        loss += results[at];
        right += results[at + 1u];
    }
    losses[lane] = loss;
    rights[lane] = right;
    for (var half = 128u; half >= 32u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            losses[lane] += losses[lane + half];
            rights[lane] += rights[lane + half];
        }
    }
    workgroupBarrier();
    let at = ((clock[0] * params.replicas + group.x) * 2u + params.part) * 33u;
    if lane < 32u {
        ring[at + lane] = losses[lane];
    }
    if lane == 0u {
        // Whole numbers below 2^24: exact in any order.
        var sum = 0.0;
        for (var i = 0u; i < 32u; i++) {
            sum += rights[i];
        }
        ring[at + 32u] = sum;
    }
}
