//! How many bits whole numbers take.
//!
//! Owns the code. Knows nothing of weights.

use std::collections::BTreeMap;

/// Returns the length in bits of whole numbers in a code that can be read without knowing them:
/// their range, then each number, given those before it, by the estimator of Krichevsky and
/// Trofimov, (n + ½) / (N + K/2) for a number of which there were n among N of K kinds; or each
/// alike, where that is shorter.
///
/// The arithmetic coder that reaches this length but for two bits is not run.
pub(crate) fn length(numbers: &[i64]) -> f64 {
    let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else {
        return 0.0;
    };
    let mut counts: BTreeMap<i64, f64> = BTreeMap::new();
    for number in numbers {
        *counts.entry(*number).or_default() += 1.0;
    }
    let (count, kinds) = (numbers.len() as f64, (most - least) as f64 + 1.0);
    let half = libm::lgamma(0.5);
    let each: f64 = counts.values().map(|n| libm::lgamma(n + 0.5) - half).sum();
    let all = libm::lgamma(count + kinds / 2.0) - libm::lgamma(kinds / 2.0);
    let adaptive = (all - each) / std::f64::consts::LN_2;
    let header = 1.0 + of_integer(least.unsigned_abs() as f64) + 1.0 + of_integer(kinds);
    header + adaptive.min(count * kinds.log2())
}

/// Returns the bits of a number of 0 or more in Elias' gamma code of the number after it.
fn of_integer(number: f64) -> f64 {
    2.0 * (number + 1.0).log2().floor() + 1.0
}

#[cfg(test)]
mod tests {
    use grokrun_basis::gaussian;

    use super::*;

    #[test]
    fn the_code_is_near_the_entropy_and_above_it() {
        let coin: Vec<i64> = gaussian(1, 4096)
            .iter()
            .map(|x| i64::from(*x > 0.0))
            .collect();
        let bits = length(&coin);
        assert!((4090.0..4130.0).contains(&bits), "{bits}");
        // A number in ten is 1: an entropy of 0.469 bits.
        let rare: Vec<i64> = (0..4000).map(|i| i64::from(i % 10 == 0)).collect();
        let bits = length(&rare);
        assert!((0.469 * 4000.0..0.48 * 4000.0).contains(&bits), "{bits}");
        let normal = gaussian(2, 20_000);
        let normal: Vec<i64> = normal.iter().map(|x| (8.0 * x).round() as i64).collect();
        // The entropy of a Gaussian in steps of an eighth: ½ log₂(2πe) + 3.
        let bits = length(&normal) / 20_000.0;
        assert!((5.03..5.12).contains(&bits), "{bits}");
    }

    #[test]
    fn what_is_one_number_takes_next_to_nothing_and_what_is_all_different_its_range() {
        assert_eq!(length(&[]), 0.0);
        assert!(length(&[7; 10_000]) < 20.0);
        let spread: Vec<i64> = (0..16).map(|i| i << 20).collect();
        let range = f64::from((15 << 20) + 1).log2();
        let bits = length(&spread);
        assert!(
            (16.0 * range..16.0 * range + 60.0).contains(&bits),
            "{bits}"
        );
    }
}
