// The loss of each sample, whether its answer is right, and with `differentiate` the gradient of
// its logits times `scale`. l = logits / temperature, y the label.
//
// Kind 1, the cross-entropy. Grade 1 (f64): m = max l; S = sum over j != y of e^(l_j - m);
//   Z = S + e^(l_y - m). The loss is log1p(S) where l_y = m, else (m - l_y) + log(Z); the gradient
//   is -S/Z at y and e^(l_j - m)/Z elsewhere: the label's class is left out of the sum, so nothing
//   cancels however small the loss (doc/model.md#loss). Grade 2 (f32), 3 (f16) and 4 (bf16): as
//   torch has it on a CPU, -log_softmax, rounded to the precision wherever torch stores a result,
//   the sum in sixteen lanes.
// Kind 2: sum of (l - one-hot)^2 / classes.
// Kind 3, StableMax: -log(s(l_y) / sum of s(l)), s(x) = x + 1 from 0 on, else 1 / (1 - x + 1e-30).
//   In f64 log1p(S / s(l_y)) with S over the others.
// The answer is right if y is the first class of the largest logit, as torch's argmax.
//
// Grid: x and y over the tiles of the jobs, a sample each, z over replicas; 64 invocations along
// the classes. Numerics: f32; each invocation sums every 64th class, then by halves.

struct Job {
    tile: u32,
    classes: u32,
    kind: u32,
    grade: u32,
    temperature: f32,
    scale: f32,
    differentiate: u32,
    logits: Block,
    gradient: Block,
    // index in the data of the first label
    labels: u32,
    // index in the arena of the first loss; there is one loss for each sample
    losses: u32,
    correct: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lanes
//#include program/round
//#include exp

// Returns e^x for x <= 0, down to the smallest number.
fn exp_far(x: f32) -> f32 {
    let half = exp_accurate(vec4f(0.5 * x)).x;
    return select(exp_accurate(vec4f(x)).x, half * half, x < -50.0);
}

fn to_precision(x: f32, grade: u32) -> f32 {
    switch grade {
        case 3u: { return round_f16(x); }
        case 4u: { return round_bf16(x); }
        default: { return x; }
    }
}

// Returns the largest of all invocations' numbers; a number that is not one is never the larger.
fn largest_of_lanes(lane: u32, x: f32) -> f32 {
    workgroupBarrier();
    lane_sums[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let other = lane_sums[lane + half];
            lane_sums[lane] = select(lane_sums[lane], other, other > lane_sums[lane]);
        }
    }
    workgroupBarrier();
    return lane_sums[0];
}

fn stable(x: f32) -> f32 {
    return select(x + 1.0, 1.0 / (1.0 - x + 1e-30), x < 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    // The condition is uniform in the workgroup, as every condition before a barrier must be.
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let sample = tile - job.tile;
    let label = data[group.z * params.samples + job.labels + sample];
    let classes = job.classes;
    let logits = block_at(job.logits, group.z, sample, 0u);
    let own = arena[logits + label * job.logits.col];

    // The largest logit, and how many logits keep the label's from being the first of the largest.
    var largest = own;
    var above = 0.0;
    for (var j = lane; j < classes; j += 64u) {
        let x = arena[logits + j * job.logits.col];
        largest = select(largest, x, x > largest);
        let below = select(x <= own, x < own, j < label);
        above += select(1.0, 0.0, below);
    }
    above = sum_lanes(lane, above);
    largest = largest_of_lanes(lane, largest);

    let torch = job.kind == 1u && job.grade != 1u;
    let exact = job.grade == 1u;
    let p = job.grade;
    let scale = to_precision(job.scale, p);
    // The label's logit, as it is cast and divided.
    let y = to_precision(to_precision(own, p) / job.temperature, p);
    let m = to_precision(to_precision(largest, p) / job.temperature, p);

    // The sum over the classes, of which each kind has its own.
    var part = 0.0;
    if torch {
        if lane < 16u {
            for (var j = lane; j < classes; j += 16u) {
                let x = to_precision(to_precision(arena[logits + j * job.logits.col], p) / job.temperature, p);
                part += exp_far(x - m);
            }
        }
    } else {
        for (var j = lane; j < classes; j += 64u) {
            let raw = arena[logits + j * job.logits.col];
            let x = raw / job.temperature;
            if job.kind == 2u {
                let apart = x - select(0.0, 1.0, j == label);
                part += apart * apart;
            } else if job.kind == 3u {
                part += select(stable(x), 0.0, exact && j == label);
            } else if j != label {
                part += exp_far((raw - largest) / job.temperature);
            }
        }
    }
    let sum = sum_lanes(lane, part);

    // The loss, and the factors of the gradients.
    let of_label = exp_far((own - largest) / job.temperature);
    let log_sum = to_precision(log1p_accurate(to_precision(sum, p) - 1.0), p);
    let s = stable(y);
    var loss = 0.0;
    if torch {
        loss = -to_precision(y - m - log_sum, p);
    } else if job.kind == 2u {
        loss = sum / f32(classes);
    } else if job.kind == 3u {
        if exact {
            loss = log1p_accurate(sum / s);
        } else {
            let share = s / sum;
            loss = log1p_accurate((1.0 - share) / share);
        }
    } else if own == largest {
        loss = log1p_accurate(sum);
    } else {
        loss = (largest - own) / job.temperature + log(sum + of_label);
    }
    if lane == 0u {
        arena[group.z * params.stride + job.losses + sample] = loss;
        arena[group.z * params.stride + job.correct + sample] = select(0.0, 1.0, above == 0.0);
    }
    if job.differentiate == 0u {
        return;
    }

    for (var j = lane; j < classes; j += 64u) {
        let raw = arena[logits + j * job.logits.col];
        var g = 0.0;
        if torch {
            let x = to_precision(to_precision(raw, p) / job.temperature, p);
            let log_share = to_precision(x - m - log_sum, p);
            g = to_precision(select(0.0, -scale, j == label) + exp_far(log_share) * scale, p);
        } else if job.kind == 2u {
            let apart = raw / job.temperature - select(0.0, 1.0, j == label);
            g = 2.0 * apart / f32(classes) * scale;
        } else if job.kind == 3u {
            let x = raw / job.temperature;
            let value = stable(x);
            let slope = select(1.0, value * value, x < 0.0);
            var toward = 0.0;
            if exact {
                let all = sum + s;
                toward = select(1.0 / all, -sum / all / s, j == label);
            } else {
                toward = select(1.0 / sum, 1.0 / sum - 1.0 / s, j == label);
            }
            g = slope * toward * scale;
        } else {
            let all = sum + of_label;
            g = select(exp_far((raw - largest) / job.temperature) / all, -(sum / all), j == label) * scale;
        }
        arena[block_at(job.gradient, group.z, sample, j)] = to_precision(g / job.temperature, p);
    }
}
