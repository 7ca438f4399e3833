// AdamW in the order of torch: w <- decay w; m <- m + (1 - b1)(g - m); v <- b2 v + (1 - b2) g^2;
// w <- w - rate m / (sqrt(v) root + epsilon).
//
// gradient, parameters, first, second (replicas, stored); only the first `trained` of each replica
// are touched. coefficients (window, replicas, 8): decay, rate, root, epsilon, 1 - b1, b2, 1 - b2, 0,
// worked out in f64 on the host; clock (1): the epoch's number in this window.
//
// Grid: x over trained in groups of 64, z over replicas.

struct Params { trained: u32, stored: u32, replicas: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> coefficients: array<f32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> first: array<f32>;
@group(0) @binding(6) var<storage, read_write> second: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.trained {
        return;
    }
    let at = group.z * params.stored + index;
    let c = (clock[0] * params.replicas + group.z) * 8u;
    let g = gradient[at];
    let m = first[at] + coefficients[c + 4u] * (g - first[at]);
    let v = coefficients[c + 5u] * second[at] + coefficients[c + 6u] * (g * g);
    first[at] = m;
    second[at] = v;
    let denominator = sqrt(v) * coefficients[c + 2u] + coefficients[c + 3u];
    parameters[at] = coefficients[c] * parameters[at] - coefficients[c + 1u] * m / denominator;
}
