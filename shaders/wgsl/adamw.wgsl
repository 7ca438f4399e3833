// AdamW in the order of torch: w <- decay w; m <- m + (1 - b1)(g - m); v <- b2 v + (1 - b2) g^2;
// w <- w - rate m / (sqrt(v) root + epsilon).
//
// arena (replicas, stride), in vec4s, with the gradient, the parameters and both moments at their
// places; only the first `trained` vec4s of each are read and written. Padding stays 0, since its
// gradient is 0. coefficients (window, replicas, 2): decay, rate, root, epsilon; 1 - b1, b2, 1 -
// b2, 0, computed in f64 on the host. clock (replicas): the index of the epoch in this window.
//
// Grid: x and y over trained in groups of 64, z over replicas.

struct Params { trained: u32, stride: u32, replicas: u32, gradient: u32, parameters: u32, first: u32, second: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> coefficients: array<vec4f>;
@group(0) @binding(2) var<storage, read> clock: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.trained {
        return;
    }
    let at = group.z * params.stride + index;
    let c = (clock[group.z] * params.replicas + group.z) * 2u;
    let weight = coefficients[c];
    let moments = coefficients[c + 1u];
    let g = arena[at + params.gradient];
    let before = arena[at + params.first];
    let m = before + moments.x * (g - before);
    let v = moments.y * arena[at + params.second] + moments.z * (g * g);
    arena[at + params.first] = m;
    arena[at + params.second] = v;
    let denominator = sqrt(v) * weight.z + weight.w;
    let w = at + params.parameters;
    arena[w] = weight.x * arena[w] - weight.y * m / denominator;
}
