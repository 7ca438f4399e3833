// A factor from sums A and B of parts that `dots` left; n = `number`.
//
// Kind 1, clipping: min(1, n / (sqrt(A) + 1e-6)). Kind 2, along the weights: -A / (B + 1e-30). Kind
// 3, the norm from before: sqrt(A) / (sqrt(B) + 1e-30). Kind 4, the sphere: n arena[source] /
// sqrt(A), 1 where A is 0. Kind 5, Muon's start: 1 / (sqrt(A) + 1e-7).
//
// Grid: x and y over the jobs, z over replicas. Numerics: f32, each of 64 invocations sums every
// 64th part, then by halves.

struct Job { tile: u32, kind: u32, first: u32, count: u32, other: u32, others: u32, number: f32, source: u32, out: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lanes

fn sum_parts(lane: u32, first: u32, count: u32) -> f32 {
    var sum = 0.0;
    for (var i = lane; i < count; i += 64u) {
        sum += arena[first + i];
    }
    return sum_lanes(lane, sum);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    // The condition is uniform in the workgroup, as every condition before a barrier must be.
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let base = group.z * params.stride;
    let a = sum_parts(lane, base + job.first, job.count);
    let b = sum_parts(lane, base + job.other, job.others);
    var factor = 1.0;
    switch job.kind {
        case 1u: { factor = min(1.0, job.number / (sqrt(a) + 1e-6)); }
        case 2u: { factor = -a / (b + 1e-30); }
        case 3u: { factor = sqrt(a) / (sqrt(b) + 1e-30); }
        case 4u: {
            if a > 0.0 {
                factor = job.number * arena[base + job.source] / sqrt(a);
            }
        }
        default: { factor = 1.0 / (sqrt(a) + 1e-7); }
    }
    if lane == 0u {
        arena[base + job.out] = factor;
    }
}
