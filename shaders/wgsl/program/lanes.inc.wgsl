// A sum over the 64 invocations of a workgroup, by halves, always in the same order. All
// invocations call the function, and all get the sum.

var<workgroup> lane_sums: array<f32, 64>;

fn sum_lanes(lane: u32, x: f32) -> f32 {
    workgroupBarrier();
    lane_sums[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lane_sums[lane] += lane_sums[lane + half];
        }
    }
    workgroupBarrier();
    return lane_sums[0];
}
