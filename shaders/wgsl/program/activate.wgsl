// out = act(x), or with `gradient` out = act'(x) dy, or adds that to out, element by element. Kind
// 1 is ReLU, whose slope at 0 is 0; 2 is GELU (exact form), 3 the tanh form of GELU, 4 a power of
// x, 5 SiLU, 6 tanh.
//
// Grid: x and y over the tiles of the jobs, 64 vec4s of a row each, z over replicas.
// Numerics: f32; GELU as in activation.inc.wgsl. The other exponentials have arguments of at most
// 0, so that nothing overflows. Sums that would lose digits are avoided: 1 + tanh(u) is 2
// sigma(2u), and 1 - tanh(u)^2 is 4 sigma(2u) sigma(-2u). A number that is not one stays so.

struct Job { tile: u32, rows: u32, cols: u32, kind: u32, power: u32, gradient: u32, input: Block, along: Block, out: Block, add: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> jobs: array<Job>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

//#include program/job
//#include exp
//#include activation

// Returns 1 / (1 + e^-x).
fn sigmoid(x: vec4f) -> vec4f {
    let e = exp_accurate(-abs(x));
    return select(e, vec4f(1.0), x >= vec4f()) / (1.0 + e);
}

fn tanh_accurate(x: vec4f) -> vec4f {
    let e = exp_accurate(-2.0 * abs(x));
    let far = sign(x) * (1.0 - e) / (1.0 + e);
    // Below 0.3 the difference would lose digits, so the series to x^9 is used.
    let s = x * x;
    var y = vec4f(0.021869488);
    y = y * s - 0.053968254;
    y = y * s + 0.13333333;
    y = y * s - 0.33333333;
    let near = x + x * s * y;
    return select(far, near, abs(x) < vec4f(0.3));
}

fn to_power(x: vec4f, power: u32) -> vec4f {
    var product = vec4f(1.0);
    for (var i = 0u; i < power; i++) {
        product *= x;
    }
    return product;
}

// Returns 2 times the argument of tanh in GELU's tanh form.
fn tanh_form(x: vec4f) -> vec4f {
    return 1.5957691 * (x + 0.044715 * x * x * x);
}

fn value_of(x: vec4f, kind: u32, power: u32) -> vec4f {
    switch kind {
        case 1u: { return select(x, vec4f(), x < vec4f()); }
        case 2u: { return activate(x, 2u); }
        case 3u: { return x * sigmoid(tanh_form(x)); }
        case 4u: { return to_power(x, power); }
        case 5u: { return x * sigmoid(x); }
        default: { return tanh_accurate(x); }
    }
}

fn slope_of(x: vec4f, kind: u32, power: u32) -> vec4f {
    switch kind {
        case 1u, 2u: { return slope(x, kind); }
        case 3u: {
            let u = tanh_form(x);
            let gate = sigmoid(u);
            return gate + x * gate * sigmoid(-u) * 1.5957691 * (1.0 + 0.134145 * x * x);
        }
        case 4u: { return f32(power) * to_power(x, max(power, 1u) - 1u); }
        case 5u: {
            let gate = sigmoid(x);
            return gate * (1.0 + x * sigmoid(-x));
        }
        default: { return 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = group.y * groups.x + group.x;
    if tile >= params.tiles {
        return;
    }
    let job = jobs[job_of(tile)];
    let i = (tile - job.tile) * 64u + lane;
    let vec4s = (job.cols + 3u) / 4u;
    if i >= job.rows * vec4s {
        return;
    }
    let row = i / vec4s;
    let col = i % vec4s * 4u;
    let count = min(4u, job.cols - col);
    var x = vec4f();
    var dy = vec4f();
    for (var c = 0u; c < count; c++) {
        x[c] = arena[block_at(job.input, group.z, row, col + c)];
        if job.gradient != 0u {
            dy[c] = arena[block_at(job.along, group.z, row, col + c)];
        }
    }
    var y = vec4f();
    if job.gradient != 0u {
        y = slope_of(x, job.kind, job.power) * dy;
    } else {
        y = value_of(x, job.kind, job.power);
    }
    for (var c = 0u; c < count; c++) {
        let at = block_at(job.out, group.z, row, col + c);
        if job.add != 0u {
            arena[at] += y[c];
        } else {
            arena[at] = y[c];
        }
    }
}
