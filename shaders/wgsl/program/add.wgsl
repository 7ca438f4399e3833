// out[r, h, j] = constant + the sum over the terms of scale w[r, h] v[r, h, j], or adds that to
// out: sums, look-ups, biases, and values mixed by attention. A head is `width` columns.
//
// Grid: x and y over the tiles of the jobs, 256 numbers of out each, four
// an invocation, z over replicas. Numerics:
// f32, one running sum in the terms' order.

struct Job { tile: u32, rows: u32, cols: u32, width: u32, first_term: u32, terms: u32, constant: f32, out: Block, add: u32 }

struct Term { values: View, weights: View, scale: f32, weighted: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> terms: array<Term>;
@group(0) @binding(3) var<storage, read> data: array<u32>;
@group(0) @binding(4) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lookup

// Returns the numbers of a view at four places.
fn four(view: View, replica: u32, rows: vec4u, cols: vec4u) -> vec4f {
    return vec4f(
        arena[view_at(view, replica, rows.x, cols.x)],
        arena[view_at(view, replica, rows.y, cols.y)],
        arena[view_at(view, replica, rows.z, cols.z)],
        arena[view_at(view, replica, rows.w, cols.w)]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let size = job.rows * job.cols;
    let first = (tile - job.tile) * 256u + lane;
    // Beyond the last number, the last number is read again and not kept.
    let all = min(vec4u(first) + vec4u(0u, 64u, 128u, 192u), vec4u(size - 1u));
    let rows = all / job.cols;
    let cols = all % job.cols;
    var sum = vec4f(job.constant);
    for (var t = 0u; t < job.terms; t++) {
        let term = terms[job.first_term + t];
        var factor = vec4f(term.scale);
        if term.weighted != 0u {
            factor *= four(term.weights, group.z, rows, cols / job.width);
        }
        sum = fma(factor, four(term.values, group.z, rows, cols), sum);
    }
    for (var c = 0u; c < 4u; c++) {
        if first + c * 64u >= size {
            return;
        }
        let at = block_at(job.out, group.z, rows[c], cols[c]);
        if job.add != 0u {
            arena[at] += sum[c];
        } else {
            arena[at] = sum[c];
        }
    }
}
