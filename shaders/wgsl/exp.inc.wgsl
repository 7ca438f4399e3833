// e^x for x <= 0, four numbers at a time, 0 below -60, within 2 ulp; log1p(s) for s >= 0, within 3
// ulp.
//
// Drivers rewrite float algebra (doc/model.md#what-drivers-do-to-float-algebra): they merge the two
// steps of the range reduction unless each is clamped, and simplify (1 + s) - 1. Both forms here
// are accurate term by term. A number that is not one stays so.

fn exp_accurate(x: vec4f) -> vec4f {
    // Below -60 the result is not used, and the bits of 2^n would not be those of a number.
    let n = round(max(x, vec4f(-60.0)) * 1.44269504);
    // ln 2 in two parts; the clamps are never active above -60 and keep the steps apart.
    let high = clamp(x - n * 0.693359375, vec4f(-1.0), vec4f(1.0));
    let r = clamp(high + n * 2.12194440e-4, vec4f(-1.0), vec4f(1.0));
    var y = vec4f(1.9875691e-4);
    y = y * r + 1.3981999e-3;
    y = y * r + 8.333452e-3;
    y = y * r + 4.1665796e-2;
    y = y * r + 1.6666665e-1;
    y = y * r + 5.0000001e-1;
    let e = y * r * r + r + 1.0;
    let scaled = e * bitcast<vec4f>(vec4u(vec4i(n) + 127) << vec4u(23u));
    // clamp may turn a number that is not one into a number.
    return select(x, select(scaled, vec4f(), x <= vec4f(-60.0)), x == x);
}

fn log1p_accurate(s: f32) -> f32 {
    if s > 1.0 {
        return log(1.0 + s);
    }
    // log(1 + s) = 2 atanh(s / (2 + s))
    let z = s / (2.0 + s);
    let q = z * z;
    var y = 1.0 / 15.0;
    y = y * q + 1.0 / 13.0;
    y = y * q + 1.0 / 11.0;
    y = y * q + 1.0 / 9.0;
    y = y * q + 1.0 / 7.0;
    y = y * q + 1.0 / 5.0;
    y = y * q + 1.0 / 3.0;
    return 2.0 * z * (1.0 + y * q);
}
