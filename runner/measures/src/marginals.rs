//! Splits functions of a pair into what one operand alone gives.

/// Holds the means of each column of a table over pairs, by operand, without the mean over all.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals {
    /// the mean over b, `(p, width)`; 0 for an operand of no pair that counts
    pub of_a: Vec<f64>,
    /// the mean over a, `(p, width)`
    pub of_b: Vec<f64>,
}

impl Marginals {
    /// Averages a table `(p², width)`, a-major, over these pairs. Of a layer that adds what it
    /// knows of a to what it knows of b the two are its parts, but for constants.
    pub fn of(table: &[f32], p: usize, pairs: &[usize]) -> Marginals {
        let width = table.len() / (p * p).max(1);
        let mut sums = [vec![0.0; p * width], vec![0.0; p * width]];
        let mut counts = [vec![0.0f64; p], vec![0.0f64; p]];
        for pair in pairs {
            let row = &table[pair * width..(pair + 1) * width];
            for (side, token) in [pair / p, pair % p].into_iter().enumerate() {
                counts[side][token] += 1.0;
                let sum = &mut sums[side][token * width..(token + 1) * width];
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(s, x)| *s += f64::from(*x));
            }
        }
        for (sums, counts) in sums.iter_mut().zip(&counts) {
            let here = || counts.iter().enumerate().filter(|(_, count)| **count > 0.0);
            for (token, count) in here() {
                let row = &mut sums[token * width..(token + 1) * width];
                row.iter_mut().for_each(|x| *x /= count);
            }
            let tokens = here().count().max(1) as f64;
            for column in 0..width {
                let of = |token: usize| token * width + column;
                let mean = here().map(|(token, _)| sums[of(token)]).sum::<f64>() / tokens;
                here().for_each(|(token, _)| sums[of(token)] -= mean);
            }
        }
        let [of_a, of_b] = sums;
        Marginals { of_a, of_b }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_two_functions_comes_apart() {
        let (p, width) = (5, 2);
        let f = |token: usize, column: usize| ((token * token + column) % 7) as f32;
        let table: Vec<f32> = (0..p * p * width)
            .map(|i| {
                let (pair, column) = (i / width, i % width);
                3.0 + f(pair / p, column) - 2.0 * f(pair % p, column)
            })
            .collect();
        // Operand 0 is of no pair that counts.
        let pairs: Vec<usize> = (0..p * p).filter(|i| i / p > 0 && i % p > 0).collect();
        let found = Marginals::of(&table, p, &pairs);
        for column in 0..width {
            let mean = (1..p).map(|t| f64::from(f(t, column))).sum::<f64>() / 4.0;
            for token in 1..p {
                let want = f64::from(f(token, column)) - mean;
                let at = token * width + column;
                assert!((found.of_a[at] - want).abs() < 1e-12);
                assert!((found.of_b[at] + 2.0 * want).abs() < 1e-12);
            }
            assert_eq!((found.of_a[column], found.of_b[column]), (0.0, 0.0));
        }
    }
}
