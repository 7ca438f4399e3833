// out[r, c] = the sum of the parts[p, r, c] over p, or adds that to out: the parts of products and
// of sums over many rows.
//
// Grid: x and y over the tiles of the jobs, 256 numbers each, four an
// invocation, z over replicas. Numerics: f32, one
// running sum in the parts' order.

struct Job { tile: u32, rows: u32, cols: u32, parts: u32, first: u32, out: Block, add: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job

fn one_number(job: Job, replica: u32, i: u32) {
    let size = job.rows * job.cols;
    if i >= size {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < job.parts; part++) {
        sum += arena[replica * params.stride + job.first + part * size + i];
    }
    let at = block_at(job.out, replica, i / job.cols, i % job.cols);
    if job.add != 0u {
        arena[at] += sum;
    } else {
        arena[at] = sum;
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
