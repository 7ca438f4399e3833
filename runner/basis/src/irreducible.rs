//! Computes the real irreducible representations of a finite group from its table of products.
//!
//! Functions on the group split into one subspace for each irreducible representation (a complex
//! one and its conjugate share one): the span of its matrix entries. Three numerical steps find
//! them, each with random numbers of a fixed seed, and each checked, so that an unlucky draw is
//! drawn again (doc/definitions.md#irreducible-representations):
//!
//! 1. A random symmetric element of the centre is a multiple of the identity on each subspace.
//!    Among functions of the class its eigenspaces are one-dimensional, or two-dimensional for a
//!    pair of conjugates; the projection of δ at the neutral element is (d/n) χ.
//! 2. Convolution with that projects any function on the subspace.
//! 3. Within it a random symmetric right translation has eigenspaces that left translations keep:
//!    copies of the representation. Another right translation carries the first copy's basis to
//!    each other copy, so that row s, column j is a matrix entry (s, j) in one basis.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::cayley::GroupTable;
use crate::sparsity::gaussian;

/// How often random numbers are drawn anew.
const DRAWS: i64 = 16;
/// More steps than an eigenvalue of a symmetric matrix ever takes.
const MOST_STEPS: usize = 100_000;
/// Eigenvalues that are closer than this, relative to the largest, are one.
const SAME: f64 = 1e-9;
/// Those that are not one must be farther apart than this: else the draw is not used.
const APART: f64 = 1e-5;

/// An irreducible representation over the real numbers, by functions on the group.
#[derive(Clone, Debug)]
pub(crate) struct Irreducible {
    /// d, the dimension over the complex numbers
    pub(crate) degree: usize,
    /// χ of each element, `(n)`; χ + χ̄ = 2 Re χ if the representation is not that of its conjugate
    pub(crate) character: Vec<f64>,
    /// the matrix entries, orthonormal over the group, each `(n)`: d², or 2d² for two conjugates
    pub(crate) rows: Vec<Vec<f64>>,
    /// row and column of each in the matrix, from 0 on
    pub(crate) entries: Vec<[usize; 2]>,
}

/// Returns the irreducible representations of a group, the trivial one first; none if the random
/// numbers of every draw left something that could not be told apart.
pub(crate) fn irreducible(table: &GroupTable) -> Option<Vec<Irreducible>> {
    let all = (1..=DRAWS).find_map(|seed| central_idempotents(table, seed))?;
    let mut all = all
        .into_iter()
        .map(|idempotent| (1..=DRAWS).find_map(|seed| representation(table, &idempotent, seed)))
        .collect::<Option<Vec<_>>>()?;
    let is_trivial = |one: &Irreducible| one.character.iter().all(|x| (x - 1.0).abs() < 1e-6);
    all.sort_by_key(|one| !is_trivial(one));
    Some(all)
}

/// The projection of δ at the neutral element on the subspace of a representation.
struct Idempotent {
    /// d
    degree: usize,
    /// d²/n χ/d, or twice its real part: a function of the class, `(n)`
    function: Vec<f64>,
    /// the dimension of the subspace
    rank: usize,
}

/// Splits the functions of the class, with a random symmetric element of the centre.
fn central_idempotents(table: &GroupTable, seed: i64) -> Option<Vec<Idempotent>> {
    let (n, k) = (table.order(), table.classes());
    let class_of = table.class_of();
    let mut sizes = vec![0.0f64; k];
    let mut first = vec![usize::MAX; k];
    for (x, class) in class_of.iter().enumerate() {
        sizes[*class] += 1.0;
        first[*class] = first[*class].min(x);
    }
    let random = gaussian(seed, k);
    let weight = |x: usize| {
        let of = |x: usize| f64::from(random[class_of[x]]) / sizes[class_of[x]];
        of(x) + of(table.inverse(x))
    };
    // (A f)(g) = Σ_x w(x) f(x g), on functions that are constant on classes, orthonormal.
    let mut matrix = DMatrix::zeros(k, k);
    for (class, g) in first.iter().enumerate() {
        for x in 0..n {
            matrix[(class, class_of[table.product(x, *g)])] += weight(x);
        }
    }
    for (i, j) in (0..k).flat_map(|i| (0..k).map(move |j| (i, j))) {
        matrix[(i, j)] *= (sizes[i] / sizes[j]).sqrt();
    }
    let clusters = eigenspaces(matrix)?;
    let one = class_of[table.identity()];
    let mut idempotents = Vec::new();
    for space in clusters {
        let mut by_class = vec![0.0; k];
        for vector in space.column_iter() {
            for (class, out) in by_class.iter_mut().enumerate() {
                *out += vector[one] * vector[class] / sizes[class].sqrt();
            }
        }
        // n e(1) is d², or 2d² for two conjugates.
        let (rank, pair) = (n as f64 * by_class[one], space.ncols());
        let degree = (rank / pair as f64).sqrt().round();
        if pair > 2 || degree < 1.0 || (degree * degree * pair as f64 - rank).abs() > 1e-6 {
            return None;
        }
        idempotents.push(Idempotent {
            degree: degree as usize,
            function: class_of.iter().map(|class| by_class[*class]).collect(),
            rank: rank.round() as usize,
        });
    }
    let ranks: usize = idempotents.iter().map(|one| one.rank).sum();
    (ranks == n).then_some(idempotents)
}

/// Finds the matrix entries of the representation whose idempotent this is.
fn representation(table: &GroupTable, of: &Idempotent, seed: i64) -> Option<Irreducible> {
    let (n, r) = (table.order(), of.rank);
    let projection = DMatrix::from_fn(n, n, |g, h| of.function[table.product(g, table.inverse(h))]);
    let noise = random_matrix(seed, n, r);
    let basis = (&projection * noise).qr().q();
    // A projected Gaussian matrix has full rank; its span is checked all the same.
    if (&projection * &basis - &basis).amax() > 1e-9 {
        return None;
    }

    let random: Vec<f64> = gaussian(100 + seed, n).into_iter().map(f64::from).collect();
    let symmetric: Vec<f64> = (0..n)
        .map(|x| random[x] + random[table.inverse(x)])
        .collect();
    let within = basis.transpose() * right_translation(table, &symmetric) * &basis;
    let copies = eigenspaces((&within + within.transpose()) * 0.5)?;
    let size = copies.first()?.ncols();
    let sizes = size == of.degree || size == 2 * of.degree;
    if !sizes || copies.iter().any(|copy| copy.ncols() != size) {
        return None;
    }
    let first = canonical(&(&basis * &copies[0]))?;
    let between = right_translation(table, &random) * &first;
    let (mut rows, mut entries) = (Vec::with_capacity(r), Vec::with_capacity(r));
    for (s, copy) in copies.iter().enumerate() {
        let space = &basis * copy;
        let carried = match s {
            0 => first.clone(),
            _ => {
                let map = space.transpose() * &between;
                let length = map.norm() / (size as f64).sqrt();
                let square = map.transpose() * &map / (length * length);
                if length < 1e-6 || (square - DMatrix::identity(size, size)).amax() > 1e-7 {
                    return None;
                }
                &space * map / length
            }
        };
        for (j, column) in carried.column_iter().enumerate() {
            rows.push(column.iter().copied().collect());
            entries.push([s, j]);
        }
    }
    let scale = n as f64 / of.degree as f64;
    Some(Irreducible {
        degree: of.degree,
        character: of.function.iter().map(|x| scale * x).collect(),
        rows,
        entries,
    })
}

/// Returns an orthonormal basis of the span of orthonormal columns that does not depend on which
/// they are: projections of δ at the elements, in their order, as far as they are independent.
fn canonical(space: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let (n, size) = space.shape();
    let whole = (size as f64 / n as f64).sqrt();
    let mut found: Vec<DVector<f64>> = Vec::new();
    // What is nearly dependent would carry rounding errors, so it waits for a second round.
    for bound in [0.2, 1e-4] {
        for g in 0..n {
            if found.len() == size {
                break;
            }
            let mut rest = space * space.row(g).transpose();
            for _ in 0..2 {
                for other in &found {
                    let overlap = other.dot(&rest);
                    rest.axpy(-overlap, other, 1.0);
                }
            }
            let left = rest.norm();
            if left > bound * whole {
                found.push(rest / left);
            }
        }
    }
    (found.len() == size).then(|| DMatrix::from_columns(&found))
}

/// Returns f ↦ Σ_h x(h) f(g h) as a matrix, `(n, n)`.
fn right_translation(table: &GroupTable, x: &[f64]) -> DMatrix<f64> {
    let n = table.order();
    DMatrix::from_fn(n, n, |g, to| x[table.product(table.inverse(g), to)])
}

fn random_matrix(seed: i64, rows: usize, columns: usize) -> DMatrix<f64> {
    let numbers = gaussian(seed, rows * columns).into_iter().map(f64::from);
    DMatrix::from_iterator(rows, columns, numbers)
}

/// Returns the eigenspaces of a symmetric matrix, by ascending eigenvalue, each with orthonormal
/// columns; none if two eigenvalues are neither one nor apart.
fn eigenspaces(matrix: DMatrix<f64>) -> Option<Vec<DMatrix<f64>>> {
    let n = matrix.nrows();
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, MOST_STEPS)?;
    let values = &eigen.eigenvalues;
    let largest = values.amax().max(f64::MIN_POSITIVE);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
    let mut spaces: Vec<Vec<usize>> = Vec::new();
    let mut before = f64::NEG_INFINITY;
    for place in order {
        let gap = (values[place] - before) / largest;
        before = values[place];
        match spaces.last_mut() {
            Some(space) if gap < SAME => space.push(place),
            Some(_) if gap < APART => return None,
            _ => spaces.push(vec![place]),
        }
    }
    let columns = |space: Vec<usize>| {
        let vectors: Vec<DVector<f64>> = space
            .iter()
            .map(|place| eigen.eigenvectors.column(*place).into_owned())
            .collect();
        DMatrix::from_columns(&vectors)
    };
    Some(spaces.into_iter().map(columns).collect())
}

#[cfg(test)]
mod tests;
