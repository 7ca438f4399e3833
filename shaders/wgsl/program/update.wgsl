// One step of a rule on each number of a parameter, w with gradient g, slots a and b and the step's
// coefficients c, worked out in f64 on the host.
//
// Rule 1, AdamW: w <- c0 w - c1 a / (sqrt(b) c2 + c3) after a <- a + c4 (g - a),
// b <- c5 b + c6 g^2.
// Rule 2, Adam: the same with g + c7 w for g.
// Rule 3, SGD: w <- w - c0 d, d = g + c1 w. Rule 4, with momentum: a <- c2 a + c3 d and
//   w <- w - c0 a. Rule 5, Nesterov's form: w <- w - c0 (d + c4 a).
// Rule 6, Lion: w <- c0 w - c1 sign(c2 a + c3 g), then a <- c4 a + c5 g; sign(0) = 0.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each,
// four an invocation, z over replicas.

struct Job { tile: u32, count: u32, rule: u32, weights: u32, gradient: u32, first: u32, second: u32, coefficients: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> step: array<f32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;

//#include program/job

fn one_number(job: Job, replica: u32, i: u32) {
    if i >= job.count {
        return;
    }
    let base = replica * params.stride + i;
    let c = replica * params.steps + job.coefficients;
    let w = arena[base + job.weights];
    let g = arena[base + job.gradient];
    let a = arena[base + job.first];
    var moved = w;
    switch job.rule {
        case 1u, 2u: {
            var d = g;
            if job.rule == 2u {
                d += step[c + 7u] * w;
            }
            let first = a + step[c + 4u] * (d - a);
            let second = step[c + 5u] * arena[base + job.second] + step[c + 6u] * d * d;
            arena[base + job.first] = first;
            arena[base + job.second] = second;
            moved = step[c] * w - step[c + 1u] * (first / (sqrt(second) * step[c + 2u] + step[c + 3u]));
        }
        case 3u: {
            moved = w - step[c] * (g + step[c + 1u] * w);
        }
        case 4u, 5u: {
            let d = g + step[c + 1u] * w;
            let momentum = step[c + 2u] * a + step[c + 3u] * d;
            arena[base + job.first] = momentum;
            moved = w - step[c] * select(momentum, d + step[c + 4u] * momentum, job.rule == 5u);
        }
        default: {
            let direction = step[c + 2u] * a + step[c + 3u] * g;
            arena[base + job.first] = step[c + 4u] * a + step[c + 5u] * g;
            // A number that is not one has no sign, and stays so that the failure stays visible.
            let sign_of = select(select(direction, -1.0, direction < 0.0), 1.0, direction > 0.0);
            moved = step[c] * w - step[c + 1u] * sign_of;
        }
    }
    arena[base + job.weights] = moved;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    for (var c = 0u; c < 4u; c++) {
        one_number(job, group.z, (tile - job.tile) * 256u + c * 64u + lane);
    }
}
