// Rounds to the nearest number of a shorter format, ties to the even one, by integer arithmetic
// alone. A number that is not one stays so, and a number that is too large becomes infinite.

fn round_f16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    if size >= 0x7f800000u {
        return x;
    }
    if size >= 0x477ff000u {
        return bitcast<f32>((bits & 0x80000000u) | 0x7f800000u);
    }
    if size < 0x38800000u {
        // The result is a multiple of 2^-24.
        return round(x * 16777216.0) * 5.9604645e-8;
    }
    return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}

fn round_bf16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    if (bits & 0x7fffffffu) >= 0x7f800000u {
        return x;
    }
    return bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
}
