// Everything that happens to a pair, for a tile of PAIRS pairs at once: attention, neurons, logits
// and loss; and, where LEARN is set, the gradients of the logits, the neurons and the scores.
//
// A = softmax over the scores of a, b and '=' of each head;
// pre = c + sum over heads of A0 U'[a] + A1 U'[b];
// logits = act(pre) M + d + sum over heads of A0 D'[a] + A1 D'[b].
// m = max l; S = sum over j != y of e^(l_j - m); Z = S + e^(l_y - m). The loss is log1p(S) where
//   l_y = m, else (m - l_y) + log(Z); g = -S/Z at y and e^(l_j - m)/Z elsewhere, times scale. The
//   label's class is left out of the sum, so nothing cancels however small the loss
//   (doc/model.md#loss). The answer is the first class of the largest logit, as torch's argmax.
// dpre = (g M^T) act'(pre). dA0 = U'[a].dpre + D'[a].g, dA1 the same with b; mean = A0 dA0 + A1
//   dA1; ds_a = A0 (dA0 - mean), ds_b = A1 (dA1 - mean), ds_= = -A2 mean. Why:
//   doc/model.md#the-gradient-of-the-scores-dscore.
//
// data: from `samples` on (replicas, total, 3): a, b, label. arena (replicas, stride), in vec4s;
// rows are padded with 0 to whole vec4s (p4 vec4s of classes, f4 of neurons, h4 of heads, n4 of
// pairs): scores (2p + 1, h4); U' (2p, heads, f4); D' (2p, heads, p4); c (f4); d (p4); M (f, p4),
// and its transpose (p, f4); losses and correct answers (n4) each; for LEARN attention to a and b
// (total, 2, h4), act(pre) and dpre (total, f4), g (total, p4), ds (heads, 3, n4).
//
// Grid: a workgroup PAIRS = 8 GROUPS pairs, x and y over the pairs from `first` (a multiple of 8)
// on, z over replicas: LANES invocations along columns, four columns each, by GROUPS, eight pairs
// each. DEPTH vec4s of k pass through workgroup memory at once; TILE = PAIRS DEPTH, WEIGHTS = 3
// PAIRS heads, QUADS = PAIRS / 4. DEPTH >= LANES / 2.
// Numerics: f32. The base comes last in pre, so that near zero, where a ReLU decides, it cancels
// exactly. Each logit is one running sum over ascending k; sums over columns go over the four of an
// invocation, then over invocations in order, so GROUPS and DEPTH change no bit.

override LANES: u32 = 32u;
override GROUPS: u32 = 1u;
override DEPTH: u32 = 16u;
override PAIRS: u32 = 8u;
override QUADS: u32 = 2u;
override TILE: u32 = 128u;
override WEIGHTS: u32 = 96u;
override LEARN: bool = true;
override KIND: u32 = 1u;

struct Params {
    p: u32,
    p4: u32,
    f4: u32,
    heads: u32,
    h4: u32,
    total: u32,
    first: u32,
    stride: u32,
    samples: u32,
    scores: u32,
    neuron_rows: u32,
    logit_rows: u32,
    neuron_base: u32,
    logit_base: u32,
    m: u32,
    m_flipped: u32,
    losses: u32,
    correct: u32,
    attention: u32,
    neurons: u32,
    d_neurons: u32,
    d_logits: u32,
    d_scores: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read_write> arena: array<vec4f>;

//#include exp
//#include activation
//#include block

// The logit of columns beyond the last class.
const LOWEST = -3.0e38;

// (PAIRS, DEPTH) vec4s of the left operand; between products, the values that invocations exchange.
var<workgroup> tile: array<vec4f, TILE>;
// (PAIRS, 3, heads)
var<workgroup> weights: array<f32, WEIGHTS>;
var<workgroup> row_a: array<u32, PAIRS>;
var<workgroup> row_b: array<u32, PAIRS>;
var<workgroup> label: array<u32, PAIRS>;
// the label's logit
var<workgroup> own: array<f32, PAIRS>;
// m, S and scale / Z of four pairs each
var<workgroup> largest: array<vec4f, QUADS>;
var<workgroup> others: array<vec4f, QUADS>;
var<workgroup> factor: array<vec4f, QUADS>;

// Returns the sum over heads of A0 table[a] + A1 table[b] of a pair of the tile, for four columns.
fn gather(i: u32, table: u32, width: u32, column: u32) -> vec4f {
    let heads = params.heads;
    let of_a = table + row_a[i] * heads * width + column;
    let of_b = table + row_b[i] * heads * width + column;
    let weight = i * 3u * heads;
    var sum = vec4f();
    for (var h = 0u; h < heads; h++) {
        sum = fma(vec4f(weights[weight + h]), arena[of_a + h * width], sum);
        sum = fma(vec4f(weights[weight + heads + h]), arena[of_b + h * width], sum);
    }
    return sum;
}

// Returns this invocation's columns' parts of U'[a].dpre + D'[a].g, and the same for b.
fn along(i: u32, pair: u32, base: u32, h: u32, lane: u32) -> vec2f {
    var sum = vec2f();
    if pair >= params.total {
        return sum;
    }
    let a = row_a[i] * params.heads + h;
    let b = row_b[i] * params.heads + h;
    let f4 = params.f4;
    let p4 = params.p4;
    for (var j = lane; j < f4; j += LANES) {
        let value = arena[base + params.d_neurons + pair * f4 + j];
        let table = base + params.neuron_rows + j;
        sum += vec2f(dot(value, arena[table + a * f4]), dot(value, arena[table + b * f4]));
    }
    for (var j = lane; j < p4; j += LANES) {
        let value = arena[base + params.d_logits + pair * p4 + j];
        let table = base + params.logit_rows + j;
        sum += vec2f(dot(value, arena[table + a * p4]), dot(value, arena[table + b * p4]));
    }
    return sum;
}

fn masked(logits: vec4f, column: u32) -> vec4f {
    return select(vec4f(LOWEST), logits, vec4u(column * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.p));
}

fn largest_of(x: vec4f) -> f32 {
    return max(max(x.x, x.y), max(x.z, x.w));
}

// Returns the class of the first of the largest of four logits.
fn place_of(x: vec4f, largest: f32, column: u32) -> f32 {
    let from_z = select(3.0, 2.0, x.z == largest);
    return f32(column * 4u) + select(select(from_z, 1.0, x.y == largest), 0.0, x.x == largest);
}

// Returns the sum of e^(l - m) over four classes without the label's.
fn others_of(x: vec4f, m: f32, y: u32, column: u32) -> f32 {
    let e = exp_accurate(x - m);
    let kept = select(e, vec4f(), vec4u(column * 4u) + vec4u(0u, 1u, 2u, 3u) == vec4u(y));
    return (kept.x + kept.y) + (kept.z + kept.w);
}

// Returns four rows of the tile, for four k.
fn left_of(at: u32) -> Block {
    return Block(tile[at], tile[at + DEPTH], tile[at + 2u * DEPTH], tile[at + 3u * DEPTH]);
}

// Returns four rows of k of a right operand, `width` vec4s apart.
fn right_of(at: u32, width: u32) -> Block {
    return Block(arena[at], arena[at + width], arena[at + 2u * width], arena[at + 3u * width]);
}

// Returns the logits of four pairs of the tile from `row` on, given their parts through the
// neurons.
fn logits_of(through: Block, base: u32, row: u32, column: u32) -> Block {
    let p4 = params.p4;
    let read = min(column, p4 - 1u);
    let rows = base + params.logit_rows;
    let d = arena[base + params.logit_base + read];
    return Block(
        masked(gather(row, rows, p4, read) + d + through.r0, column),
        masked(gather(row + 1u, rows, p4, read) + d + through.r1, column),
        masked(gather(row + 2u, rows, p4, read) + d + through.r2, column),
        masked(gather(row + 3u, rows, p4, read) + d + through.r3, column));
}

// Keeps the label's logits of four pairs, and with LEARN all logits.
fn keep(logits: Block, base: u32, row: u32, pair: u32, column: u32) {
    keep_own(row, column, logits.r0);
    keep_own(row + 1u, column, logits.r1);
    keep_own(row + 2u, column, logits.r2);
    keep_own(row + 3u, column, logits.r3);
    if LEARN {
        keep_logits(base, pair, column, logits.r0);
        keep_logits(base, pair + 1u, column, logits.r1);
        keep_logits(base, pair + 2u, column, logits.r2);
        keep_logits(base, pair + 3u, column, logits.r3);
    }
}

// Publishes, at word `at`, the largest of this invocation's logits of four pairs, and their
// classes.
fn tell_largest(logits: Block, at: u32, column: u32) {
    let m = vec4f(largest_of(logits.r0), largest_of(logits.r1), largest_of(logits.r2), largest_of(logits.r3));
    tile[2u * at] = m;
    tile[2u * at + 1u] = vec4f(
        place_of(logits.r0, m.x, column),
        place_of(logits.r1, m.y, column),
        place_of(logits.r2, m.z, column),
        place_of(logits.r3, m.w, column));
}

// Returns the parts of S of this invocation's logits of four pairs from `row` on.
fn others_of_block(logits: Block, row: u32, column: u32) -> vec4f {
    let m = largest[row / 4u];
    return vec4f(
        others_of(logits.r0, m.x, label[row], column),
        others_of(logits.r1, m.y, label[row + 1u], column),
        others_of(logits.r2, m.z, label[row + 2u], column),
        others_of(logits.r3, m.w, label[row + 3u], column));
}

@compute @workgroup_size(LANES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let size = LANES * GROUPS;
    let lane = local.y * LANES + local.x;
    let total = params.total;
    let first_pair = params.first + (group.y * groups.x + group.x) * PAIRS;
    // The condition is uniform in the workgroup, so all or no invocations reach the barriers below.
    if first_pair >= total {
        return;
    }
    let base = group.z * params.stride;
    let heads = params.heads;
    let p4 = params.p4;
    let f4 = params.f4;
    let n4 = (total + 3u) / 4u;
    // The first of this invocation's eight pairs, in the tile and among all pairs.
    let row = local.y * 8u;
    let pair = first_pair + row;

    // The pairs and their attention. Beyond the last pair, the last pair is computed again and not
    // kept.
    for (var i = lane; i < PAIRS; i += size) {
        let at = params.samples + (group.z * total + min(first_pair + i, total - 1u)) * 3u;
        row_a[i] = data[at];
        row_b[i] = params.p + data[at + 1u];
        label[i] = data[at + 2u];
    }
    workgroupBarrier();
    for (var item = lane; item < PAIRS * params.h4; item += size) {
        let i = item / params.h4;
        let h4 = item % params.h4;
        let scores = base + params.scores + h4;
        let to_a = arena[scores + row_a[i] * params.h4];
        let to_b = arena[scores + row_b[i] * params.h4];
        let to_eq = arena[scores + 2u * params.p * params.h4];
        let most = max(max(to_a, to_b), to_eq);
        let a = exp_accurate(to_a - most);
        let b = exp_accurate(to_b - most);
        let eq = exp_accurate(to_eq - most);
        let sum = a + b + eq;
        let of_a = a / sum;
        let of_b = b / sum;
        let of_eq = eq / sum;
        let at = i * 3u * heads + h4 * 4u;
        for (var c = 0u; c < min(4u, heads - h4 * 4u); c++) {
            weights[at + c] = of_a[c];
            weights[at + heads + c] = of_b[c];
            weights[at + 2u * heads + c] = of_eq[c];
        }
        if LEARN && first_pair + i < total {
            let out = base + params.attention + (first_pair + i) * 2u * params.h4 + h4;
            let kept = vec4u(h4 * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(heads);
            arena[out] = select(vec4f(), of_a, kept);
            arena[out + params.h4] = select(vec4f(), of_b, kept);
        }
    }
    workgroupBarrier();

    // Only the first QUADS invocations use these variables, for four pairs each.
    var top = vec4f(-3.4e38);
    var place = vec4f();
    var rest = vec4f();
    // The places of this invocation's words of its first four pairs, and of its second four.
    let low = row / 4u * LANES + local.x;
    let high = low + LANES;

    for (var columns = 0u; columns < p4; columns += LANES) {
        let column = columns + local.x;
        let read = min(column, p4 - 1u);
        // The blocks of the first four pairs and of the second four.
        var upper = Block();
        var lower = Block();
        for (var k = 0u; k < f4; k += DEPTH) {
            for (var item = lane; item < TILE; item += size) {
                let i = item / DEPTH;
                let j = k + item % DEPTH;
                if j < f4 {
                    let pre = gather(i, base + params.neuron_rows, f4, j) + arena[base + params.neuron_base + j];
                    if LEARN && columns == 0u && first_pair + i < total {
                        arena[base + params.neurons + (first_pair + i) * f4 + j] = pre;
                    }
                    tile[item] = activate(pre, KIND);
                }
            }
            workgroupBarrier();
            var b = base + params.m + k * 4u * p4 + read;
            for (var i = 0u; i < min(DEPTH, f4 - k); i++) {
                let at = row * DEPTH + i;
                let right = right_of(b, p4);
                b += 4u * p4;
                upper = step_block(upper, left_of(at), right);
                lower = step_block(lower, left_of(at + 4u * DEPTH), right);
            }
            workgroupBarrier();
        }
        upper = logits_of(upper, base, row, column);
        lower = logits_of(lower, base, row + 4u, column);
        keep(upper, base, row, pair, column);
        keep(lower, base, row + 4u, pair + 4u, column);
        // m and its class over the columns so far
        tell_largest(upper, low, column);
        tell_largest(lower, high, column);
        workgroupBarrier();
        if lane < QUADS {
            let before = top;
            for (var i = 0u; i < LANES; i++) {
                let value = tile[2u * (lane * LANES + i)];
                let larger = value > top;
                place = select(place, tile[2u * (lane * LANES + i) + 1u], larger);
                top = select(top, value, larger);
            }
            rest *= exp_accurate(before - top);
            largest[lane] = top;
        }
        workgroupBarrier();
        // S over the columns so far
        tile[low] = others_of_block(upper, row, column);
        tile[high] = others_of_block(lower, row + 4u, column);
        workgroupBarrier();
        if lane < QUADS {
            for (var i = 0u; i < LANES; i++) {
                rest += tile[lane * LANES + i];
            }
        }
        workgroupBarrier();
    }

    if lane < QUADS && first_pair + lane * 4u < total {
        let y = vec4f(own[lane * 4u], own[lane * 4u + 1u], own[lane * 4u + 2u], own[lane * 4u + 3u]);
        let labels = vec4f(vec4u(label[lane * 4u], label[lane * 4u + 1u], label[lane * 4u + 2u], label[lane * 4u + 3u]));
        let z = rest + exp_accurate(y - top);
        var loss = vec4f();
        for (var c = 0u; c < 4u; c++) {
            if y[c] == top[c] {
                loss[c] = log1p_accurate(rest[c]);
            } else {
                loss[c] = (top[c] - y[c]) + log(z[c]);
            }
        }
        let kept = vec4u(first_pair + lane * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(total);
        let at = first_pair / 4u + lane;
        arena[base + params.losses + at] = select(vec4f(), loss, kept);
        arena[base + params.correct + at] = select(vec4f(), vec4f(1.0), kept & (place == labels));
        others[lane] = rest;
        factor[lane] = params.scale / z;
    }
    if !LEARN {
        return;
    }
    workgroupBarrier();

    // g replaces the logits that the same invocation wrote there.
    for (var column = local.x; column < p4; column += LANES) {
        for (var i = 0u; i < min(8u, total - min(pair, total)); i++) {
            let c = i % 4u;
            let q = (row + i) / 4u;
            let at = base + params.d_logits + (pair + i) * p4 + column;
            let e = exp_accurate(arena[at] - largest[q][c]) * factor[q][c];
            let at_label = vec4u(column * 4u) + vec4u(0u, 1u, 2u, 3u) == vec4u(label[row + i]);
            arena[at] = select(e, vec4f(-others[q][c] * factor[q][c]), at_label);
        }
    }
    storageBarrier();
    workgroupBarrier();

    // dpre
    for (var columns = 0u; columns < f4; columns += LANES) {
        let column = columns + local.x;
        let read = min(column, f4 - 1u);
        var upper = Block();
        var lower = Block();
        for (var k = 0u; k < p4; k += DEPTH) {
            // If all of g fits in one tile, it stays there.
            if columns == 0u || p4 > DEPTH {
                for (var item = lane; item < TILE; item += size) {
                    let i = item / DEPTH;
                    let j = k + item % DEPTH;
                    if j < p4 {
                        let s = min(first_pair + i, total - 1u);
                        tile[item] = arena[base + params.d_logits + s * p4 + j];
                    }
                }
                workgroupBarrier();
            }
            var b = base + params.m_flipped + k * 4u * f4 + read;
            for (var i = 0u; i < min(DEPTH, p4 - k); i++) {
                let at = row * DEPTH + i;
                let right = right_of(b, f4);
                b += 4u * f4;
                upper = step_block(upper, left_of(at), right);
                lower = step_block(lower, left_of(at + 4u * DEPTH), right);
            }
            if p4 > DEPTH {
                workgroupBarrier();
            }
        }
        keep_neurons_of(base, pair, column, upper);
        keep_neurons_of(base, pair + 4u, column, lower);
    }

    // ds, from columns that the same invocation wrote to dpre and g.
    for (var h = 0u; h < heads; h++) {
        workgroupBarrier();
        for (var half = 0u; half < 2u; half++) {
            var to_a = vec4f();
            var to_b = vec4f();
            for (var c = 0u; c < 4u; c++) {
                let sum = along(row + half * 4u + c, pair + half * 4u + c, base, h, local.x);
                to_a[c] = sum.x;
                to_b[c] = sum.y;
            }
            let at = 2u * (low + half * LANES);
            tile[at] = to_a;
            tile[at + 1u] = to_b;
        }
        workgroupBarrier();
        if lane < QUADS && first_pair + lane * 4u < total {
            var to_a = vec4f();
            var to_b = vec4f();
            for (var i = 0u; i < LANES; i++) {
                to_a += tile[2u * (lane * LANES + i)];
                to_b += tile[2u * (lane * LANES + i) + 1u];
            }
            let at = lane * 12u * heads + h;
            let pairs = vec4u(at, at + 3u * heads, at + 6u * heads, at + 9u * heads);
            let a0 = weights_of(pairs);
            let a1 = weights_of(pairs + heads);
            let a2 = weights_of(pairs + 2u * heads);
            let mean = a0 * to_a + a1 * to_b;
            let kept = vec4u(first_pair + lane * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(total);
            let out = base + params.d_scores + h * 3u * n4 + first_pair / 4u + lane;
            arena[out] = select(vec4f(), a0 * (to_a - mean), kept);
            arena[out + n4] = select(vec4f(), a1 * (to_b - mean), kept);
            arena[out + 2u * n4] = select(vec4f(), -a2 * mean, kept);
        }
    }
}

fn weights_of(at: vec4u) -> vec4f {
    return vec4f(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
}

fn keep_own(i: u32, column: u32, logits: vec4f) {
    if label[i] / 4u == column {
        own[i] = logits[label[i] % 4u];
    }
}

fn keep_logits(base: u32, pair: u32, column: u32, logits: vec4f) {
    if pair < params.total && column < params.p4 {
        arena[base + params.d_logits + pair * params.p4 + column] = logits;
    }
}

// Stores dpre, from its part before the activation's slope, and act(pre) in place of pre.
fn keep_neurons(base: u32, pair: u32, column: u32, gradient: vec4f) {
    if pair < params.total && column < params.f4 {
        let at = pair * params.f4 + column;
        let pre = arena[base + params.neurons + at];
        arena[base + params.d_neurons + at] = gradient * slope(pre, KIND);
        arena[base + params.neurons + at] = activate(pre, KIND);
    }
}

// Stores the same for four pairs.
fn keep_neurons_of(base: u32, pair: u32, column: u32, gradients: Block) {
    keep_neurons(base, pair, column, gradients.r0);
    keep_neurons(base, pair + 1u, column, gradients.r1);
    keep_neurons(base, pair + 2u, column, gradients.r2);
    keep_neurons(base, pair + 3u, column, gradients.r3);
}
