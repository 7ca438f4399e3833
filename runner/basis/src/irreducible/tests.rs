//! Orthogonality, Parseval, products of matrices and characters, for groups of every family.

use serde_json::Value;

use super::*;
use crate::fixtures::table_of;

const GROUPS: [&str; 12] = [
    "C7", "D3", "D5", "D6", "Dic2", "Dic3", "A4", "S4", "A5", "C2 x C4", "C3 x C3", "S3 x C3",
];

fn all(name: &str) -> (GroupTable, Vec<Irreducible>) {
    let table = table_of(name);
    let all = irreducible(&table).unwrap_or_else(|| panic!("{name} has no representations"));
    (table, all)
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[test]
fn matrix_entries_are_an_orthonormal_basis() {
    for name in GROUPS {
        let (table, all) = all(name);
        let rows: Vec<&Vec<f64>> = all.iter().flat_map(|one| &one.rows).collect();
        assert_eq!(rows.len(), table.order(), "{name}");
        for (i, x) in rows.iter().enumerate() {
            for (j, y) in rows.iter().enumerate() {
                let want = f64::from(u8::from(i == j));
                assert!((dot(x, y) - want).abs() < 1e-9, "{name} {i} {j}");
            }
        }
        // Parseval: nothing of a function is lost.
        let function: Vec<f64> = gaussian(3, table.order())
            .into_iter()
            .map(f64::from)
            .collect();
        let energy: f64 = rows.iter().map(|row| dot(row, &function).powi(2)).sum();
        assert!(
            (energy / dot(&function, &function) - 1.0).abs() < 1e-10,
            "{name}"
        );
        assert!(all[0].rows[0].iter().all(|x| *x > 0.0) && all[0].degree == 1);
    }
}

/// ρ(g)_ij = ⟨v_i, L_g v_j⟩ in the copy s, with v_j the rows (s, j).
fn matrix(table: &GroupTable, one: &Irreducible, s: usize, g: usize) -> DMatrix<f64> {
    let copy: Vec<&Vec<f64>> = one
        .rows
        .iter()
        .zip(&one.entries)
        .filter(|(_, entry)| entry[0] == s)
        .map(|(row, _)| row)
        .collect();
    let back = table.inverse(g);
    DMatrix::from_fn(copy.len(), copy.len(), |i, j| {
        let moved = (0..table.order()).map(|x| copy[j][table.product(back, x)]);
        copy[i].iter().zip(moved).map(|(x, y)| x * y).sum()
    })
}

#[test]
fn matrices_multiply_as_the_elements_do_and_are_the_same_in_every_copy() {
    for name in GROUPS {
        let (table, all) = all(name);
        let n = table.order();
        for one in &all {
            for (g, h) in [(1, n - 1), (n / 2, n / 3), (n - 1, n - 1)] {
                let product = matrix(&table, one, 0, g) * matrix(&table, one, 0, h);
                let want = matrix(&table, one, 0, table.product(g, h));
                assert!((&product - &want).amax() < 1e-8, "{name}");
                let identity = DMatrix::identity(want.nrows(), want.nrows());
                assert!(
                    (want.transpose() * &want - identity).amax() < 1e-8,
                    "{name}"
                );
                let last = one.entries.last().map_or(0, |entry| entry[0]);
                let other = matrix(&table, one, last, table.product(g, h));
                assert!((other - want).amax() < 1e-7, "{name}");
            }
            // The trace over one copy is χ, as often as the real matrix has it.
            let size = matrix(&table, one, 0, 0).nrows();
            for g in 0..n {
                let trace = matrix(&table, one, 0, g).trace();
                let repeats = size as f64 / one.character[table.identity()];
                let want = repeats * one.character[g];
                assert!((trace - want).abs() < 1e-8, "{name}: {trace} {want}");
            }
        }
    }
}

#[test]
fn characters_are_the_published_ones() {
    let published: Value =
        serde_json::from_str(include_str!("../../fixtures/characters.json")).unwrap();
    for name in ["S4", "S5", "A5", "D5"] {
        let (table, all) = all(name);
        let golden = (1.0 + 5f64.sqrt()) / 2.0;
        let number = |x: &Value| x[0].as_f64().unwrap() + golden * x[1].as_f64().unwrap();
        let classes = published[name]["classes"].as_array().unwrap();
        assert_eq!(classes.len(), table.classes());
        let characters = published[name]["characters"].as_object().unwrap();
        assert_eq!(characters.len(), all.len());
        for (irreducible, character) in characters {
            let mut want = vec![f64::NAN; table.order()];
            for (class, value) in classes.iter().zip(character.as_array().unwrap()) {
                for g in class.as_array().unwrap() {
                    want[g.as_u64().unwrap() as usize] = number(value);
                }
            }
            let is = |one: &&Irreducible| {
                let off = one.character.iter().zip(&want).map(|(x, y)| (x - y).abs());
                off.fold(0.0, f64::max) < 1e-9
            };
            assert_eq!(all.iter().filter(is).count(), 1, "{irreducible} of {name}");
        }
    }
}

#[test]
fn degrees_tell_real_complex_and_quaternionic_representations() {
    // Of the group of eight quaternions one representation of degree 2 has 4 entries; of C7 each
    // pair of conjugates has a cosine and a sine.
    let degrees = |name: &str| -> Vec<(usize, usize)> {
        let mut found: Vec<_> = all(name)
            .1
            .iter()
            .map(|o| (o.degree, o.rows.len()))
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(degrees("Dic2"), [(1, 1), (1, 1), (1, 1), (1, 1), (2, 4)]);
    assert_eq!(degrees("C7"), [(1, 1), (1, 2), (1, 2), (1, 2)]);
    assert_eq!(degrees("S4"), [(1, 1), (1, 1), (2, 4), (3, 9), (3, 9)]);
    assert_eq!(degrees("A4"), [(1, 1), (1, 2), (3, 9)]);
}
