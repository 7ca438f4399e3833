//! Groups by name, for tests.

use grokrun_task::Group;

use crate::basis::Basis;
use crate::cayley::GroupTable;
use crate::irreducible::irreducible;
use crate::names::named;

/// Returns the table of a named group as labels of its pairs, `(n²)`.
pub(crate) fn labels_of(name: &str) -> Vec<Option<u32>> {
    let group = Group::parse(name).unwrap();
    let n = group.order();
    let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    pairs.map(|(a, b)| group.product(a, b)).collect()
}

pub(crate) fn table_of(name: &str) -> GroupTable {
    GroupTable::named(name).unwrap()
}

pub(crate) fn basis_of(name: &str) -> Basis {
    let table = table_of(name);
    let group = Group::parse(name).unwrap();
    let all = irreducible(&table).unwrap();
    Basis::of_representations(named(&table, all, Some(&group)))
}
