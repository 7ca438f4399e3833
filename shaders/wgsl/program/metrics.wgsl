// The losses and correct answers of a step's samples, into the record that the host reads: 32
// partial sums of losses, then the number of correct answers.
//
// records (replicas, 33). Grid: one workgroup, z over replicas. Numerics: each lane sums every
// 256th number, then lanes by halves down to 32, which the host adds in f64: one f32 of the whole
// sum would round the loss to 6e-8. At most 65,535 numbers a lane.

struct Job { tile: u32, losses: u32, correct: u32, count: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> arena: array<f32>;
@group(0) @binding(3) var<storage, read_write> records: array<f32>;

//#include program/job

var<workgroup> losses: array<f32, 256>;
var<workgroup> correct: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    // The condition is uniform in the workgroup, as every condition before a barrier must be.
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let base = group.z * params.stride;
    var loss = 0.0;
    var right = 0.0;
    for (var i = lane; i < job.count; i += 256u) {
        loss += arena[base + job.losses + i];
        right += arena[base + job.correct + i];
    }
    losses[lane] = loss;
    correct[lane] = right;
    for (var half = 128u; half >= 32u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            losses[lane] += losses[lane + half];
            correct[lane] += correct[lane + half];
        }
    }
    workgroupBarrier();
    let record = group.z * 33u;
    if lane < 32u {
        records[record + lane] = losses[lane];
    }
    if lane == 0u {
        // The terms are integers below 2^24, so every order gives the exact sum.
        var sum = 0.0;
        for (var i = 0u; i < 32u; i++) {
            sum += correct[i];
        }
        records[record + 32u] = sum;
    }
}
