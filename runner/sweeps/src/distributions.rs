//! The tails and quantiles that tests and intervals need.

/// The standard normal quantile of a two-sided level of 95 %.
pub(crate) const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// The probability that a χ² variable of `freedom` degrees is above `x`, by the recurrence of the
/// incomplete gamma function from erfc and exp; 1 where `x` is not above 0.
pub(crate) fn chi_square_tail(x: f64, freedom: usize) -> f64 {
    if x <= 0.0 || freedom == 0 {
        return 1.0;
    }
    let half = x / 2.0;
    let (mut a, mut tail) = if freedom.is_multiple_of(2) {
        (1.0, (-half).exp())
    } else {
        (0.5, libm::erfc(half.sqrt()))
    };
    // Q(a + 1, x) = Q(a, x) + x^a e^-x / Γ(a + 1)
    while a < freedom as f64 / 2.0 - 0.25 {
        tail += (a * half.ln() - half - libm::lgamma(a + 1.0)).exp();
        a += 1.0;
    }
    tail.min(1.0)
}

/// The 97.5 % quantile of Student's t of `freedom` degrees, at least 3, by Cornish and Fisher's
/// expansion (Abramowitz and Stegun 26.7.5): within 0.2 %.
pub(crate) fn student_quantile(freedom: usize) -> f64 {
    let (z, n) = (NORMAL_QUANTILE, freedom as f64);
    let power = |k: i32| z.powi(k);
    z + (power(3) + z) / (4.0 * n)
        + (5.0 * power(5) + 16.0 * power(3) + 3.0 * z) / (96.0 * n.powi(2))
        + (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * z) / (384.0 * n.powi(3))
        + (79.0 * power(9) + 776.0 * power(7) + 1482.0 * power(5) - 1920.0 * power(3) - 945.0 * z)
            / (92_160.0 * n.powi(4))
}

/// The logarithm of the probability that a standard normal variable is above `z`.
pub(crate) fn log_normal_tail(z: f64) -> f64 {
    let tail = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    if tail > 1e-280 {
        return tail.ln();
    }
    // Mills' ratio, where the tail itself is too small for a number.
    -0.5 * z * z - z.ln() - 0.5 * std::f64::consts::TAU.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_quantiles_are_those_of_tables() {
        // The critical values of 5 % and of 0.1 %.
        for (freedom, x, tail) in [
            (1, 3.841_459, 0.05),
            (2, 5.991_465, 0.05),
            (3, 7.814_728, 0.05),
            (4, 9.487_729, 0.05),
            (7, 14.067_140, 0.05),
            (1, 10.827_566, 0.001),
            (5, 20.515_006, 0.001),
        ] {
            let found = chi_square_tail(x, freedom);
            assert!(
                (found - tail).abs() < 1e-6 * tail.max(0.01),
                "{freedom}: {found}"
            );
        }
        assert_eq!(chi_square_tail(0.0, 3), 1.0);
        for (freedom, quantile) in [(3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423)] {
            let found = student_quantile(freedom);
            assert!((found / quantile - 1.0).abs() < 2e-3, "{freedom}: {found}");
        }
        assert!((log_normal_tail(1.959_964) - 0.025f64.ln()).abs() < 1e-6);
        let (near, far) = (log_normal_tail(35.5), log_normal_tail(36.5));
        assert!((near - far - 36.0).abs() < 0.2, "{near} {far}");
    }
}
