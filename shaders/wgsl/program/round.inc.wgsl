// To the nearest number of a shorter form, ties to the even one, by integers alone. What is no
// number stays none, and what is too large is infinite.

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
        // Whole multiples of 2^-24.
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
