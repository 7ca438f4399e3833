// The computation of Muon on each number of a matrix, before and after the matrix is made
// orthogonal; c are the step's coefficients.
//
// Phase 1: a <- c2 a + c3 g, and c3 g + c2 a into `matrix`, row-major, where the heads of the
//   parameter (heads, inputs, outputs) lie side by side; with `turned` transposed.
// Phase 2: w <- c0 w - c1 wide o, o from `matrix` in the same order.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each, four an
// invocation, z over replicas.

struct Job {
    tile: u32,
    phase: u32,
    heads: u32,
    inputs: u32,
    outputs: u32,
    turned: u32,
    weights: u32,
    gradient: u32,
    momentum: u32,
    matrix: u32,
    coefficients: u32,
    wide: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> step: array<f32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;

//#include program/job

fn one_number(job: Job, replica: u32, i: u32) {
    if i >= job.heads * job.inputs * job.outputs {
        return;
    }
    let base = replica * params.stride;
    let c = replica * params.steps + job.coefficients;
    let row = i / job.outputs % job.inputs;
    let col = i / (job.outputs * job.inputs) * job.outputs + i % job.outputs;
    let straight = row * job.heads * job.outputs + col;
    let at = base + job.matrix + select(straight, col * job.inputs + row, job.turned != 0u);
    if job.phase == 1u {
        let g = arena[base + job.gradient + i];
        let momentum = step[c + 2u] * arena[base + job.momentum + i] + step[c + 3u] * g;
        arena[base + job.momentum + i] = momentum;
        arena[at] = step[c + 3u] * g + step[c + 2u] * momentum;
    } else {
        let w = base + job.weights + i;
        arena[w] = step[c] * arena[w] - step[c + 1u] * job.wide * arena[at];
    }
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
