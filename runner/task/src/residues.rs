//! Computes with residues: inverses, powers, primes. Moduli are small (below 2^16), so plain
//! methods suffice.

/// Returns the greatest common divisor.
pub(crate) fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Returns the inverse of `value` modulo `modulus`, if there is one, by the extended Euclidean
/// algorithm.
pub(crate) fn inverse(value: u32, modulus: u32) -> Option<u32> {
    // Invariant: remainder ≡ coefficient · value (mod modulus), for both pairs.
    let mut previous = (i64::from(modulus), 0_i64);
    let mut current = (i64::from(value % modulus), 1_i64);
    while current.0 != 0 {
        let quotient = previous.0 / current.0;
        let next = (
            previous.0 - quotient * current.0,
            previous.1 - quotient * current.1,
        );
        (previous, current) = (current, next);
    }
    let (gcd, coefficient) = previous;
    (gcd == 1).then(|| coefficient.rem_euclid(i64::from(modulus)) as u32)
}

/// Returns `base` to the `exponent`, modulo `modulus`; anything to the power 0 is 1, as in algebra.
pub(crate) fn power(base: u32, mut exponent: u64, modulus: u32) -> u32 {
    let modulus = u64::from(modulus);
    let (mut result, mut square) = (1 % modulus, u64::from(base) % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % modulus;
        }
        square = square * square % modulus;
        exponent >>= 1;
    }
    result as u32
}

/// Returns whether `n` is a prime.
pub(crate) fn is_prime(n: u32) -> bool {
    n >= 2
        && (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
}

/// Returns the nearest primes below and above `n`, if there are any up to `limit`.
pub(crate) fn nearest_primes(n: u32, limit: u32) -> (Option<u32>, Option<u32>) {
    let below = (2..n).rev().find(|&candidate| is_prime(candidate));
    let above = (n + 1..=limit).find(|&candidate| is_prime(candidate));
    (below, above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_exist_exactly_for_units_and_undo_them() {
        for modulus in [2, 3, 12, 97, 113, 120, 65_535] {
            for value in (0..modulus).step_by(if modulus > 1000 { 37 } else { 1 }) {
                match inverse(value, modulus) {
                    Some(inverse) => {
                        assert!(inverse < modulus);
                        let product = u64::from(value) * u64::from(inverse);
                        assert_eq!(product % u64::from(modulus), 1);
                    }
                    None => assert_ne!(gcd(value, modulus), 1, "{value} mod {modulus}"),
                }
            }
        }
    }

    #[test]
    fn powers() {
        assert_eq!(power(3, 4, 113), 81);
        assert_eq!(power(0, 0, 7), 1);
        assert_eq!(power(0, u64::MAX, 7), 0);
        // Fermat: x^(p-1) = 1.
        assert_eq!(power(65_520, 65_520, 65_521), 1);
    }

    #[test]
    fn primes() {
        let small: Vec<u32> = (0..30).filter(|&n| is_prime(n)).collect();
        assert_eq!(small, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(65_521) && !is_prime(65_535));
        assert_eq!(nearest_primes(12, 65_535), (Some(11), Some(13)));
        assert_eq!(nearest_primes(2, 65_535), (None, Some(3)));
        assert_eq!(nearest_primes(65_535, 65_535), (Some(65_521), None));
    }
}
