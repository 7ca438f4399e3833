//! The minimum of a function of a few numbers: Nelder and Mead's simplex (1965).

/// Calls of the function at most, for each number.
const CALLS: usize = 400;

/// The place of a minimum near `start` and its value; `steps` are the first steps along each
/// number. A value that is no number counts as infinite. The same start gives the same place.
pub(crate) fn minimum(start: &[f64], steps: &[f64], of: impl Fn(&[f64]) -> f64) -> (Vec<f64>, f64) {
    let n = start.len();
    let value = |x: &[f64]| Some(of(x)).filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY);
    let first = (start.to_vec(), value(start));
    if n == 0 {
        return first;
    }
    let mut simplex = vec![first];
    for (i, step) in steps.iter().enumerate() {
        let mut x = start.to_vec();
        x[i] += step;
        let v = value(&x);
        simplex.push((x, v));
    }
    let mut calls = n + 1;
    while calls < CALLS * n {
        simplex.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (best, worst) = (simplex[0].1, simplex[n].1);
        if worst - best <= 1e-12 * (1.0 + best.abs()) {
            break;
        }
        let mean: Vec<f64> = (0..n)
            .map(|i| simplex[..n].iter().map(|(x, _)| x[i]).sum::<f64>() / n as f64)
            .collect();
        let along = |t: f64| -> Vec<f64> {
            let corner = &simplex[n].0;
            mean.iter()
                .zip(corner)
                .map(|(m, c)| m + t * (c - m))
                .collect()
        };
        let mirrored = along(-1.0);
        let v = value(&mirrored);
        calls += 1;
        let next = if v < best {
            let further = along(-2.0);
            let w = value(&further);
            calls += 1;
            Some(if w < v { (further, w) } else { (mirrored, v) })
        } else if v < simplex[n - 1].1 {
            Some((mirrored, v))
        } else {
            let inner = along(if v < worst { -0.5 } else { 0.5 });
            let w = value(&inner);
            calls += 1;
            (w < v.min(worst)).then_some((inner, w))
        };
        match next {
            Some(next) => simplex[n] = next,
            None => {
                let corner = simplex[0].0.clone();
                for (x, v) in &mut simplex[1..] {
                    for (own, best) in x.iter_mut().zip(&corner) {
                        *own = best + 0.5 * (*own - best);
                    }
                    *v = value(x);
                    calls += 1;
                }
            }
        }
    }
    simplex.sort_by(|one, other| one.1.total_cmp(&other.1));
    simplex.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bent_valley_and_a_bowl_have_their_minimum() {
        let valley = |x: &[f64]| (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2);
        let (at, value) = minimum(&[-1.2, 1.0], &[0.5, 0.5], valley);
        assert!((at[0] - 1.0).abs() < 1e-3 && (at[1] - 1.0).abs() < 1e-3 && value < 1e-6);
        let bowl = |x: &[f64]| {
            x.iter()
                .zip([1.0, 2.0, 3.0])
                .map(|(x, m)| (x - m).powi(2))
                .sum()
        };
        let (at, _) = minimum(&[0.0; 3], &[1.0; 3], bowl);
        assert!(
            at.iter()
                .zip([1.0, 2.0, 3.0])
                .all(|(x, m)| (x - m).abs() < 1e-4)
        );
        assert_eq!(minimum(&[], &[], |_| 7.0), (Vec::new(), 7.0));
    }
}
