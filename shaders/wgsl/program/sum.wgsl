// out[t, h, j] = scale times the sum of w[r, h] v[r, h, j] over the rows r of t, or adds that to
// out: the transpose of a look-up. The rows of t are those of its list, words of the data from
// `list` on, which starts at the word `starts` + t; without lists, rows t chunk to (t + 1) chunk of
// `count`.
//
// Grid: x and y over the tiles of the jobs, 256 numbers of out each, four
// an invocation, z over replicas. Numerics:
// f32, one running sum in the rows' order; at most 65,535 rows.

struct Job {
    tile: u32,
    rows: u32,
    cols: u32,
    width: u32,
    values: View,
    weights: View,
    weighted: u32,
    scale: f32,
    // OWN if there are no lists
    starts: u32,
    list: u32,
    chunk: u32,
    count: u32,
    out: Block,
    add: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lookup

fn one_number(job: Job, replica: u32, i: u32) {
    if i >= job.rows * job.cols {
        return;
    }
    let t = i / job.cols;
    let col = i % job.cols;
    let listed = job.starts != OWN;
    let words = replica * params.samples;
    var begin = t * job.chunk;
    var end = min(job.count, begin + job.chunk);
    if listed {
        begin = data[words + job.starts + t];
        end = data[words + job.starts + t + 1u];
    }
    var sum = 0.0;
    for (var at = begin; at < end; at++) {
        var row = at;
        if listed {
            row = data[words + job.list + at];
        }
        var value = arena[view_at(job.values, replica, row, col)];
        if job.weighted != 0u {
            value *= arena[view_at(job.weights, replica, row, col / job.width)];
        }
        sum += value;
    }
    let at = block_at(job.out, replica, t, col);
    if job.add != 0u {
        arena[at] += job.scale * sum;
    } else {
        arena[at] = job.scale * sum;
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
