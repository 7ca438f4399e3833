// out[r, t, h] = e^s[r, t, h] over its sum over the keys t; column t heads + h is key t of head h.
//
// Grid: x and y over the tiles of the jobs, 64 vec4s of heads of a row each, z over replicas.
// Numerics: f32, exponents relative to the largest, sums in the keys' order; what is less than
// e^-60 of the largest is 0. Not a number stays none.

struct Job { tile: u32, rows: u32, heads: u32, keys: u32, scores: Block, out: Block }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include exp

// Returns the four numbers of a row from a column on; beyond `cols`, the last column again.
fn four(block: Block, replica: u32, row: u32, col: u32, cols: u32) -> vec4f {
    let at = min(vec4u(col) + vec4u(0u, 1u, 2u, 3u), vec4u(cols - 1u));
    let start = block_at(block, replica, row, 0u);
    return vec4f(arena[start + at.x * block.col], arena[start + at.y * block.col], arena[start + at.z * block.col], arena[start + at.w * block.col]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let i = (tile - job.tile) * 64u + lane;
    let vec4s = (job.heads + 3u) / 4u;
    if i >= job.rows * vec4s {
        return;
    }
    let row = i / vec4s;
    let head = i % vec4s * 4u;
    let cols = job.keys * job.heads;
    var largest = four(job.scores, group.z, row, head, cols);
    for (var key = 1u; key < job.keys; key++) {
        let s = four(job.scores, group.z, row, key * job.heads + head, cols);
        largest = select(largest, s, s > largest);
    }
    var sum = vec4f();
    for (var key = 0u; key < job.keys; key++) {
        sum += exp_accurate(four(job.scores, group.z, row, key * job.heads + head, cols) - largest);
    }
    for (var key = 0u; key < job.keys; key++) {
        let weight = exp_accurate(four(job.scores, group.z, row, key * job.heads + head, cols) - largest) / sum;
        for (var c = 0u; c < min(4u, job.heads - head); c++) {
            arena[block_at(job.out, group.z, row, key * job.heads + head + c)] = weight[c];
        }
    }
}
