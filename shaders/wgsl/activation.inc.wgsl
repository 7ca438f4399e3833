// The activation and its derivative, four numbers at a time. Kind 1 is ReLU, whose slope at 0 is 0
// as in torch; kind 2 is GELU (exact form). erf is the rational approximation of Eigen and XLA,
// with an absolute error below 3e-7. Needs exp.inc.wgsl.

fn erf4(wide: vec4f) -> vec4f {
    let x = clamp(wide, vec4f(-3.8325069), vec4f(3.8325069));
    let s = x * x;
    var top = vec4f(2.2905066e-4);
    top = top * s + 3.408291e-3;
    top = top * s + 5.0955695e-2;
    top = top * s + 1.8520832e-1;
    top = top * s + 1.1283791;
    var bottom = vec4f(-1.1791603e-7);
    bottom = bottom * s + 2.3547967e-5;
    bottom = bottom * s + 1.0179625e-3;
    bottom = bottom * s + 1.407047e-2;
    bottom = bottom * s + 1.1098505e-1;
    bottom = bottom * s + 4.9746925e-1;
    bottom = bottom * s + 1.0;
    return x * top / bottom;
}

fn normal4(x: vec4f) -> vec4f {
    return 0.5 + 0.5 * erf4(x * 0.70710678);
}

fn activate(x: vec4f, kind: u32) -> vec4f {
    if kind == 1u {
        return max(x, vec4f());
    }
    return x * normal4(x);
}

fn slope(x: vec4f, kind: u32) -> vec4f {
    if kind == 1u {
        return select(vec4f(), vec4f(1.0), x > vec4f());
    }
    let density = 0.39894228 * exp_accurate(-0.5 * x * x);
    return normal4(x) + x * density;
}
