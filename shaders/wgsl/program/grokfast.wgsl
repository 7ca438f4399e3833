// Slow parts of a gradient g are amplified; c are the step's coefficients.
//
// Without a window: m <- c0 m + c1 g; g <- g + c2 m. With one: g goes into row c0 of `kept`
// (window, count), and g <- g + c1 times the sum of its rows, unless c1 is 0: the window is not
// full yet.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each, four an
// invocation, z over replicas. Numerics: f32, a
// running sum in the rows' order.

struct Job { tile: u32, count: u32, gradient: u32, kept: u32, window: u32, coefficients: u32 }

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
    let g = arena[base + job.gradient];
    let kept = base + job.kept;
    if job.window == 0u {
        let mean = step[c] * arena[kept] + step[c + 1u] * g;
        arena[kept] = mean;
        arena[base + job.gradient] = g + step[c + 2u] * mean;
        return;
    }
    arena[kept + u32(step[c]) * job.count] = g;
    let factor = step[c + 1u];
    if factor == 0.0 {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < job.window; row++) {
        sum += arena[kept + row * job.count];
    }
    arena[base + job.gradient] = g + factor * sum;
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
