//! Explains functions of an operand by cosets and by representations, side by side.

use grokrun_basis::Basis;

use crate::subgroups::Subgroup;

/// The best coset and the best representation of a function on the group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Explained {
    /// the place of the subgroup in the list, and whether its right cosets are meant; none if there
    /// is no subgroup, or the function is constant
    pub(crate) subgroup: Option<(usize, bool)>,
    /// the variance within the cosets by the whole: 0 if the function is constant on them
    pub(crate) within: f64,
    /// the same by degrees of freedom: 1 is what chance gives
    pub(crate) within_adjusted: f64,
    /// the number of the representation; 0 if the function is constant
    pub(crate) component: usize,
    /// the share of the variance that it does not explain
    pub(crate) rest: f64,
    /// the same by degrees of freedom
    pub(crate) rest_adjusted: f64,
}

/// Explains the columns of a table of functions without mean, `(n, width)`. Of subgroups and of
/// representations that is the best which leaves least by its degrees of freedom: [G : H] − 1 and
/// the number of matrix entries, so that small subgroups and large representations are not
/// preferred.
pub(crate) fn explain(basis: &Basis, subgroups: &[Subgroup], table: &[f64]) -> Vec<Explained> {
    let n = basis.modulus();
    let width = table.len() / n.max(1);
    let mut totals = vec![0.0; width];
    for row in table.chunks_exact(width.max(1)) {
        totals.iter_mut().zip(row).for_each(|(t, x)| *t += x * x);
    }
    let nothing = Explained {
        within: f64::NAN,
        within_adjusted: f64::NAN,
        rest: f64::NAN,
        rest_adjusted: f64::NAN,
        ..Explained::default()
    };
    let mut found = vec![nothing; width];
    let free = (n - 1) as f64;
    // What is left of a share `rest` by `used` of the degrees of freedom.
    let adjusted = |rest: f64, used: usize| rest * free / (free - used as f64);
    for (place, subgroup) in subgroups.iter().enumerate() {
        let used = subgroup.index() - 1;
        for (right, cosets) in [(false, &subgroup.left), (true, &subgroup.right)] {
            let mut sums = vec![0.0; subgroup.index() * width];
            for (row, coset) in table.chunks_exact(width.max(1)).zip(cosets) {
                let sum = &mut sums[coset * width..(coset + 1) * width];
                sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
            }
            let mut between = vec![0.0; width];
            for row in sums.chunks_exact(width.max(1)) {
                between.iter_mut().zip(row).for_each(|(b, s)| *b += s * s);
            }
            let size = subgroup.elements.len() as f64;
            for ((found, between), total) in found.iter_mut().zip(between).zip(&totals) {
                if *total <= 0.0 {
                    continue;
                }
                let within = (1.0 - between / size / total).max(0.0);
                let by_freedom = adjusted(within, used);
                // NaN, of nothing so far, is not below.
                if found.subgroup.is_none() || by_freedom < found.within_adjusted {
                    found.subgroup = Some((place, right));
                    (found.within, found.within_adjusted) = (within, by_freedom);
                }
            }
        }
    }
    let coefficients = basis.forward_wide(table);
    for (component, one) in (1..).zip(basis.components()) {
        if one.rows.len() as f64 >= free {
            continue;
        }
        for (column, (found, total)) in found.iter_mut().zip(&totals).enumerate() {
            if *total <= 0.0 {
                continue;
            }
            let rows = one.rows.clone();
            let energy: f64 = rows
                .map(|row| coefficients[row * width + column].powi(2))
                .sum();
            let rest = (1.0 - energy / total).max(0.0);
            let by_freedom = adjusted(rest, one.rows.len());
            if found.component == 0 || by_freedom < found.rest_adjusted {
                found.component = component;
                (found.rest, found.rest_adjusted) = (rest, by_freedom);
            }
        }
    }
    found
}

/// Returns, by component, the share of a table's variance over all pairs, `(n², width)`, that
/// functions ρ(a), ρ(b) and ρ(ab) explain, all columns together.
pub(crate) fn representations(
    basis: &Basis,
    labels: &[Option<u32>],
    table: &[f32],
) -> Vec<[f64; 3]> {
    let n = basis.modulus();
    let width = table.len() / (n * n).max(1);
    let mut sums = [0; 3].map(|_| vec![0.0; n * width]);
    let (mut sum, mut square) = (vec![0.0; width], 0.0);
    for (pair, (row, label)) in table.chunks_exact(width.max(1)).zip(labels).enumerate() {
        let Some(label) = label else { continue };
        for (sums, at) in sums.iter_mut().zip([pair / n, pair % n, *label as usize]) {
            let sums = &mut sums[at * width..(at + 1) * width];
            sums.iter_mut()
                .zip(row)
                .for_each(|(s, x)| *s += f64::from(*x));
        }
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += f64::from(*x);
            square += f64::from(*x).powi(2);
        }
    }
    let pairs = (n * n) as f64;
    let total = square - sum.iter().map(|s| s * s).sum::<f64>() / pairs;
    let coefficients = sums.map(|sums| basis.forward_wide(&sums));
    let share = |which: usize, rows: std::ops::Range<usize>| {
        let part = &coefficients[which][rows.start * width..rows.end * width];
        // Each element is in n pairs: a sum is n times a mean, which counts n times.
        let energy = part.iter().map(|c| c * c).sum::<f64>() / n as f64;
        if total > 0.0 { energy / total } else { 0.0 }
    };
    let components = basis.components().iter();
    components
        .map(|one| [0, 1, 2].map(|which| share(which, one.rows.clone())))
        .collect()
}
