// C = alpha A B, or C += alpha A B, for many matrices at once.
//
// A (m, k), B (k, n), C (m, n; columns contiguous), each anywhere in its buffer: element (i, j) of
// matrix (replica, batch) is at offset + replica * s.replica + batch * s.batch + i * s.row + j * s.col.
// The k index of A and B may step in blocks (k = outer * block + inner), so that a sum over heads is
// one product. With split > 0 batch b instead takes the k in [b split, (b + 1) split): the parts of a
// long sum, which column_sums adds up in their order. A passes through the activation if asked.
//
// Grid: x over columns in tiles of 32, y over rows in tiles of 32, z over replica * batches + batch.
// Each invocation keeps 4 rows by 4 columns in registers; no workgroup memory, no barriers.
// Numerics: f32, each element one running sum over ascending k. At most 65,535 k a part.

struct Operand { offset: u32, row: u32, col: u32, outer: u32, batch: u32, replica: u32, unused: vec2u }
struct Params {
    a: Operand,
    b: Operand,
    c: Operand,
    m: u32,
    n: u32,
    k: u32,
    block: u32,
    batches: u32,
    split: u32,
    add: u32,
    activation: u32,
    alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

//#include activation

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let batch = group.z % params.batches;
    let replica = group.z / params.batches;
    let row = group.y * 32u + local.y * 4u;
    let col = group.x * 32u + local.x;
    var first = 0u;
    var end = params.k;
    var part = batch;
    if params.split > 0u {
        first = batch * params.split;
        end = min(params.k, first + params.split);
        part = 0u;
    }
    let a_base = params.a.offset + replica * params.a.replica + part * params.a.batch;
    let b_base = params.b.offset + replica * params.b.replica + part * params.b.batch;
    // Beyond the edge the last row or column is read again and not written.
    let rows = min(vec4u(row) + vec4u(0u, 1u, 2u, 3u), vec4u(params.m - 1u)) * params.a.row + a_base;
    let cols = min(vec4u(col) + vec4u(0u, 8u, 16u, 24u), vec4u(params.n - 1u)) * params.b.col + b_base;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    for (var k = first; k < end; k++) {
        let outer = k / params.block;
        let inner = k % params.block;
        let ia = rows + outer * params.a.outer + inner * params.a.col;
        let ib = cols + outer * params.b.outer + inner * params.b.row;
        let left = activate(vec4f(a[ia.x], a[ia.y], a[ia.z], a[ia.w]), params.activation);
        let right = vec4f(b[ib.x], b[ib.y], b[ib.z], b[ib.w]);
        sum0 = fma(vec4f(left.x), right, sum0);
        sum1 = fma(vec4f(left.y), right, sum1);
        sum2 = fma(vec4f(left.z), right, sum2);
        sum3 = fma(vec4f(left.w), right, sum3);
    }
    let c_base = params.c.offset + replica * params.c.replica + batch * params.c.batch;
    store(c_base, row, col, sum0);
    store(c_base, row + 1u, col, sum1);
    store(c_base, row + 2u, col, sum2);
    store(c_base, row + 3u, col, sum3);
}

fn store(base: u32, row: u32, col: u32, sum: vec4f) {
    if row >= params.m {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        let at_col = col + 8u * j;
        if at_col < params.n {
            let at = base + row * params.c.row + at_col;
            let value = params.alpha * sum[j];
            if params.add != 0u {
                c[at] += value;
            } else {
                c[at] = value;
            }
        }
    }
}
