// out[r, h] = scale times the sum of a[r, h, j] b[r, h, j] over the `width` columns j of a head, or
// adds that to out: scores of queries and keys.
//
// Grid: x and y over the tiles of the jobs, 256 numbers of out each, four
// an invocation, z over replicas. Numerics:
// f32, one running sum in the columns' order.

struct Job { tile: u32, rows: u32, heads: u32, width: u32, left: View, right: View, scale: f32, out: Block, add: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include program/lookup

fn one_number(job: Job, replica: u32, i: u32) {
    if i >= job.rows * job.heads {
        return;
    }
    let row = i / job.heads;
    let head = i % job.heads;
    let left = view_at(job.left, replica, row, head * job.width);
    let right = view_at(job.right, replica, row, head * job.width);
    var sum = 0.0;
    for (var j = 0u; j < job.width; j++) {
        sum = fma(arena[left + j * job.left.col], arena[right + j * job.right.col], sum);
    }
    let at = block_at(job.out, replica, row, head);
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
