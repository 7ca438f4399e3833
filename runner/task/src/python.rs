//! Reproduces Python's `random` module: `random.seed` and `random.shuffle` of CPython 3.2 and
//! later.

use rand_mt::Mt;

/// Python's default generator, seeded by an integer.
#[derive(Clone, Debug)]
pub struct Random {
    words: Mt,
}

impl Random {
    /// Does the same as `random.seed(seed)`.
    ///
    /// The sign is dropped. The absolute value keys MT19937 in 32-bit words, the lowest first,
    /// without leading zero words (CPython, `random_seed`).
    pub fn new(seed: i64) -> Random {
        let magnitude = seed.unsigned_abs();
        let (low, high) = (magnitude as u32, (magnitude >> 32) as u32);
        let words = if high == 0 { 1 } else { 2 };
        Random {
            words: Mt::new_with_key([low, high].into_iter().take(words)),
        }
    }

    /// Returns the numbers below `count`, shuffled: `x = list(range(count)); random.shuffle(x)`.
    pub fn shuffled(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            let other = self.below(last + 1);
            order.swap(last as usize, other as usize);
        }
        order
    }

    /// Returns `random.randrange(bound)` for `bound` > 0: as many bits as `bound` has, drawn again
    /// until the number is below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        let unused = bound.leading_zeros();
        loop {
            let drawn = self.words.next_u32() >> unused;
            if drawn < bound {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{json, numbers, sha256_of_i64};

    #[test]
    fn shuffles_are_pythons() {
        let fixture = json(include_str!("../fixtures/python.json"));
        let vectors = fixture["shuffle"].as_array().unwrap();
        assert_eq!(vectors.len(), 88);
        for vector in vectors {
            let seed: i64 = vector["seed"].as_str().unwrap().parse().unwrap();
            let count = vector["n"].as_u64().unwrap() as u32;
            let order = Random::new(seed).shuffled(count);
            assert!(
                order.starts_with(&numbers(&vector["first"])),
                "seed {seed}, n {count}"
            );
            assert_eq!(
                sha256_of_i64(&order),
                vector["sha256_i64le"],
                "seed {seed}, n {count}"
            );
        }
    }
}
