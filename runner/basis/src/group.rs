//! Orders residues as a cyclic group: by addition, or by multiplication through discrete
//! logarithms.

/// Says whether p is prime.
pub fn is_prime(p: usize) -> bool {
    p >= 2
        && (2..)
            .take_while(|d| d * d <= p)
            .all(|d| !p.is_multiple_of(d))
}

/// Returns the smallest primitive root of a prime p, the generator whose logarithms number the
/// characters, so that frequencies have the same names everywhere (doc/definitions.md#bases).
pub fn primitive_root(p: usize) -> Option<usize> {
    if p == 2 {
        return Some(1);
    }
    is_prime(p).then(|| (2..p).find(|g| order(*g, p) == p - 1))?
}

/// Returns the smallest n > 0 with g^n = 1, for g that is not 0 modulo a prime.
fn order(g: usize, p: usize) -> usize {
    let mut power = g;
    let mut n = 1;
    while power != 1 {
        power = power * g % p;
        n += 1;
    }
    n
}

/// Returns the residues in the order of their logarithms: g^0, g^1, …
pub(crate) fn powers(g: usize, p: usize) -> Vec<usize> {
    let mut power = 1;
    (0..p - 1)
        .map(|_| {
            let now = power;
            power = power * g % p;
            now
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_the_table() {
        let table = [
            (11, 2),
            (13, 2),
            (17, 3),
            (19, 2),
            (23, 5),
            (29, 2),
            (31, 3),
            (37, 2),
            (41, 6),
            (43, 3),
            (47, 5),
            (53, 2),
            (59, 2),
            (61, 2),
            (67, 2),
            (71, 7),
            (73, 5),
            (79, 3),
            (83, 2),
            (89, 3),
            (97, 5),
            (101, 2),
            (103, 5),
            (107, 2),
            (109, 6),
            (113, 3),
            (127, 3),
            (131, 2),
            (401, 3),
            (2, 1),
            (3, 2),
        ];
        for (p, g) in table {
            assert_eq!(primitive_root(p), Some(g), "{p}");
        }
        assert_eq!((primitive_root(1), primitive_root(12)), (None, None));
    }

    #[test]
    fn logarithms_are_the_published_ones() {
        let powers = powers(3, 113);
        let log = |a: usize| powers.iter().position(|power| *power == a);
        assert_eq!([7, 15, 105].map(log), [Some(8), Some(84), Some(92)]);
    }
}
