// gradient *= activation'(pre), element by element: from the neurons' outputs to their inputs.
//
// pre, gradient (count); kind 1: ReLU, whose slope at 0 is 0 as torch's, 2: GELU.
//
// Grid: x and y over elements in groups of 64.

struct Params { count: u32, kind: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pre: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

//#include activation
//#include exp

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let x = pre[index];
    if params.kind == 1u {
        gradient[index] = select(0.0, gradient[index], x > 0.0);
    } else {
        let density = 0.39894228 * exp_accurate(-0.5 * x * x);
        gradient[index] *= normal4(vec4f(x)).x + x * density;
    }
}
