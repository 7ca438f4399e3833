// out[r, h, j] = constant + the sum over the terms of scale w[r, h] v[r, h, j], or out += it: sums,
// look-ups, biases, and values mixed by attention. A head is `width` columns.
//
// Grid: x and y over the tiles of the jobs, 256 numbers of out each, z over replicas. Numerics:
// f32, one running sum in the terms' order.

struct Job { tile: u32, rows: u32, cols: u32, width: u32, first_term: u32, terms: u32, constant: f32, out: Block, add: u32 }

struct Term { values: View, weights: View, scale: f32, weighted: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> terms: array<Term>;
@group(0) @binding(3) var<storage, read> data: array<u32>;
@group(0) @binding(4) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/look

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let i = (tile - job.tile) * 256u + lane;
    if i >= job.rows * job.cols {
        return;
    }
    let row = i / job.cols;
    let col = i % job.cols;
    var sum = job.constant;
    for (var t = 0u; t < job.terms; t++) {
        let term = terms[job.first_term + t];
        var factor = term.scale;
        if term.weighted != 0u {
            factor *= arena[view_at(term.weights, group.z, row, col / job.width)];
        }
        sum = fma(factor, arena[view_at(term.values, group.z, row, col)], sum);
    }
    let at = block_at(job.out, group.z, row, col);
    if job.add != 0u {
        arena[at] += sum;
    } else {
        arena[at] = sum;
    }
}
