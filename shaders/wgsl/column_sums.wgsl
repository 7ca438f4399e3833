// out[i, j] = sum over rows 64 i to 64 i + 63 of matrix[., j]: one level of a long sum. Dispatched
// again on its output until one row is left.
//
// matrix (replicas, rows, width) with `stride` numbers from row to row, `replica_in` from replica to
// replica, from `first` on; out (replicas, ceil(rows / 64), width) likewise, from `to` on.
//
// Grid: x over width in groups of 64, y over output rows, z over replicas.
// Numerics: f32, 64 terms in their order, so the error grows with the logarithm of the rows.

struct Params { rows: u32, width: u32, stride: u32, first: u32, replica_in: u32, to: u32, replica_out: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let j = group.x * 64u + lane;
    if j >= params.width {
        return;
    }
    let base = params.first + group.z * params.replica_in + j;
    var sum = 0.0;
    for (var i = group.y * 64u; i < min(params.rows, group.y * 64u + 64u); i++) {
        sum += matrix[base + i * params.stride];
    }
    out[params.to + group.z * params.replica_out + group.y * params.width + j] = sum;
}
