// Sums of losses and correct answers of an epoch into the ring that the host reads; clock += 1.
//
// arena (replicas, stride), in vec4s, with the losses and correct answers of the training pairs
// (train) and of the test pairs (test), four pairs each and 0 beyond the last, at their places;
// clock (replicas): the epoch's number in this window;
// ring (window, replicas, 2 parts, 33): 32 partial sums of losses, then the number of right
// answers.
//
// Grid: one workgroup a replica (x). Numerics: each lane sums every 256th four, its four numbers
// are added, then lanes by halves down to 32, which the host adds in f64: one f32 of the whole sum
// would round the loss to 6e-8. At most 65,535 vec4s a lane.

struct Part { losses: u32, correct: u32, vec4s: u32, unused: u32 }
struct Params { train: Part, test: Part, stride: u32, replicas: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> arena: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> clock: array<u32>;
@group(0) @binding(3) var<storage, read_write> ring: array<f32>;

var<workgroup> losses: array<f32, 256>;
var<workgroup> correct: array<f32, 256>;

fn sum_part(part: Part, base: u32, record: u32, lane: u32) {
    var loss = vec4f();
    var right = vec4f();
    for (var i = lane; i < part.vec4s; i += 256u) {
        loss += arena[base + part.losses + i];
        right += arena[base + part.correct + i];
    }
    losses[lane] = (loss.x + loss.y) + (loss.z + loss.w);
    correct[lane] = (right.x + right.y) + (right.z + right.w);
    for (var half = 128u; half >= 32u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            losses[lane] += losses[lane + half];
            correct[lane] += correct[lane + half];
        }
    }
    workgroupBarrier();
    if lane < 32u {
        ring[record + lane] = losses[lane];
    }
    if lane == 0u {
        // The terms are integers below 2^24, so every order gives the exact sum.
        var sum = 0.0;
        for (var i = 0u; i < 32u; i++) {
            sum += correct[i];
        }
        ring[record + 32u] = sum;
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let base = group.x * params.stride;
    let epoch = clock[group.x];
    let record = (epoch * params.replicas + group.x) * 66u;
    sum_part(params.train, base, record, lane);
    sum_part(params.test, base, record + 33u, lane);
    // This follows the barriers, so that every lane has read the clock.
    if lane == 0u {
        clock[group.x] = epoch + 1u;
    }
}
