// Every long sum that is no product: parts of split sums, and sums over the samples of a token.
//
// Kind 0: out[j] = sum over i < count of values[i, j]: the parts of a sum, in their order.
// Kind 1: out[t, h, j] = sum over the samples s of token row t of weights[s, position, h] values[s,
//   j]: the gradients of U' and D' from those of the neurons and the logits.
// Kind 2: out[t, h] = sum over the samples s of t of values[h, position, s]: those of the scores.
//
// arena (replicas, stride), in vec4s: values (count, width), weights (pairs, 2, h4), out (2p,
// heads, width), and for kind 2 values (heads, 3, pairs / 4), out (2p, h4). data: from `starts` on
// (replicas, 2p + 1), from `lists` on (replicas, 2 pairs): the samples of each row, ascending.
// plan: for each workgroup a tile (job, first j or item, t, h / 4); at `job` (kind, values, vec4s
// from row to row, width), (out, count, weights, 0).
//
// Grid: x and y over the `count` tiles from `tiles` on, 64 vec4s each, z over replicas.
// Numerics: f32, running sums in the order of the list, which has at most p samples.

struct Params { tiles: u32, count: u32, stride: u32, p: u32, heads: u32, h4: u32, pairs: u32, starts: u32, lists: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> plan: array<vec4u>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4f>;

fn parts(base: u32, job: vec4u, more: vec4u, j: u32) {
    if j >= job.w {
        return;
    }
    var sum = vec4f();
    for (var i = 0u; i < more.y; i++) {
        sum += arena[base + job.y + i * job.z + j];
    }
    arena[base + more.x + j] = sum;
}

fn rows(base: u32, job: vec4u, more: vec4u, j: u32, t: u32, h4: u32, start: u32, list: u32) {
    if j >= job.w {
        return;
    }
    let position = t / params.p;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    let end = data[start + t + 1u];
    for (var i = data[start + t]; i < end; i++) {
        let s = data[list + i];
        let weight = arena[base + more.z + (s * 2u + position) * params.h4 + h4];
        let value = arena[base + job.y + s * job.z + j];
        sum0 = fma(vec4f(weight.x), value, sum0);
        sum1 = fma(vec4f(weight.y), value, sum1);
        sum2 = fma(vec4f(weight.z), value, sum2);
        sum3 = fma(vec4f(weight.w), value, sum3);
    }
    let out = base + more.x + (t * params.heads + h4 * 4u) * job.w + j;
    let heads = params.heads - h4 * 4u;
    arena[out] = sum0;
    if heads > 1u {
        arena[out + job.w] = sum1;
    }
    if heads > 2u {
        arena[out + 2u * job.w] = sum2;
    }
    if heads > 3u {
        arena[out + 3u * job.w] = sum3;
    }
}

fn scores(base: u32, job: vec4u, more: vec4u, item: u32, start: u32, list: u32) {
    if item >= 2u * params.p * params.h4 {
        return;
    }
    let t = item / params.h4;
    let h = item % params.h4 * 4u;
    let position = t / params.p;
    // Beyond the last head, the last head is read again and not kept.
    let planes = (min(vec4u(h) + vec4u(0u, 1u, 2u, 3u), vec4u(params.heads - 1u)) * 3u + position) * job.z + base + job.y;
    var sum = vec4f();
    let end = data[start + t + 1u];
    for (var i = data[start + t]; i < end; i++) {
        let s = data[list + i];
        let four = planes + s / 4u;
        let c = s % 4u;
        sum += vec4f(arena[four.x][c], arena[four.y][c], arena[four.z][c], arena[four.w][c]);
    }
    let kept = vec4u(h) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.heads);
    arena[base + more.x + item] = select(vec4f(), sum, kept);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = group.y * groups.x + group.x;
    if index >= params.count {
        return;
    }
    let tile = plan[params.tiles + index];
    let job = plan[tile.x];
    let more = plan[tile.x + 1u];
    let base = group.z * params.stride;
    let start = params.starts + group.z * (2u * params.p + 1u);
    let list = params.lists + group.z * 2u * params.pairs;
    switch job.x {
        case 0u: { parts(base, job, more, tile.y + lane); }
        case 1u: { rows(base, job, more, tile.y + lane, tile.z, tile.w, start, list); }
        default: { scores(base, job, more, tile.y + lane, start, list); }
    }
}
