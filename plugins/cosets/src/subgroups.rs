//! Lists the subgroups of a group, by joins of cyclic ones, and their cosets.

use std::collections::BTreeSet;

use grokrun_basis::GroupTable;

/// How many joins of two subgroups are tried at most.
const MOST_JOINS: usize = 100_000;

/// A subgroup that is neither trivial nor the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subgroup {
    /// elements from which all others are products
    pub(crate) generators: Vec<usize>,
    /// ascending
    pub(crate) elements: Vec<usize>,
    /// the number of the coset g H of each element g
    pub(crate) left: Vec<usize>,
    /// the number of the coset H g of each element g
    pub(crate) right: Vec<usize>,
}

impl Subgroup {
    fn new(table: &GroupTable, generators: Vec<usize>, elements: Vec<usize>) -> Subgroup {
        let n = table.order();
        let cosets = |product: &dyn Fn(usize, usize) -> usize| {
            let mut of = vec![usize::MAX; n];
            let mut count = 0;
            for g in 0..n {
                if of[g] == usize::MAX {
                    elements.iter().for_each(|h| of[product(g, *h)] = count);
                    count += 1;
                }
            }
            of
        };
        Subgroup {
            left: cosets(&|g, h| table.product(g, h)),
            right: cosets(&|g, h| table.product(h, g)),
            generators,
            elements,
        }
    }

    /// Returns the number of cosets on either side.
    pub(crate) fn index(&self) -> usize {
        self.left.len() / self.elements.len()
    }

    /// Returns the subgroup by its generators: "<3, 7>".
    pub(crate) fn name(&self) -> String {
        let list: Vec<String> = self.generators.iter().map(usize::to_string).collect();
        format!("<{}>", list.join(", "))
    }
}

/// Holds subgroups, the largest first.
pub(crate) struct Subgroups {
    pub(crate) list: Vec<Subgroup>,
    /// whether all of the group's proper ones are there
    pub(crate) all: bool,
}

impl Subgroups {
    /// Lists them, up to `most`: cyclic ones first, then joins of what is there with a cyclic one.
    pub(crate) fn of(table: &GroupTable, most: usize) -> Subgroups {
        let n = table.order();
        let mut found: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        let mut known: BTreeSet<Vec<usize>> = BTreeSet::new();
        let mut cyclic = Vec::new();
        for g in 0..n {
            let elements = generated(table, &[g]);
            if elements.len() > 1 && elements.len() < n && known.insert(elements.clone()) {
                found.push((vec![g], elements));
                cyclic.push(g);
            }
        }
        let (mut next, mut joins) = (0, 0);
        let mut all = found.len() <= most;
        'joining: while next < found.len() {
            for g in &cyclic {
                let (generators, elements) = &found[next];
                if elements.binary_search(g).is_ok() {
                    continue;
                }
                joins += 1;
                if joins > MOST_JOINS || found.len() >= most {
                    all = false;
                    break 'joining;
                }
                let generators: Vec<usize> = generators.iter().chain([g]).copied().collect();
                let elements = generated(table, &generators);
                if elements.len() < n && known.insert(elements.clone()) {
                    found.push((generators, elements));
                }
            }
            next += 1;
        }
        found.truncate(most);
        found.sort_by(|x, y| y.1.len().cmp(&x.1.len()).then(x.1.cmp(&y.1)));
        let make = |(generators, elements)| Subgroup::new(table, generators, elements);
        Subgroups {
            list: found.into_iter().map(make).collect(),
            all,
        }
    }
}

/// Returns the elements that are products of these, ascending.
fn generated(table: &GroupTable, generators: &[usize]) -> Vec<usize> {
    let mut inside = vec![false; table.order()];
    let mut elements = vec![table.identity()];
    inside[table.identity()] = true;
    let mut next = 0;
    while next < elements.len() {
        for g in generators {
            let product = table.product(elements[next], *g);
            if !std::mem::replace(&mut inside[product], true) {
                elements.push(product);
            }
        }
        next += 1;
    }
    elements.sort_unstable();
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts, with the trivial subgroup and the group, as in the literature.
    #[test]
    fn groups_have_as_many_subgroups_as_they_should() {
        for (name, count) in [
            ("S3", 6),
            ("S4", 30),
            ("S5", 156),
            ("A5", 59),
            ("D4", 10),
            ("C7", 2),
        ] {
            let table = GroupTable::named(name).unwrap();
            let found = Subgroups::of(&table, 1_000);
            assert_eq!((found.list.len() + 2, found.all), (count, true), "{name}");
            for subgroup in &found.list {
                assert_eq!(table.order() % subgroup.elements.len(), 0);
                let distinct: BTreeSet<usize> = subgroup.right.iter().copied().collect();
                assert_eq!(distinct.len(), subgroup.index(), "{name}");
            }
        }
        let few = Subgroups::of(&GroupTable::named("S5").unwrap(), 20);
        assert!(few.list.len() <= 20 && !few.all);
    }
}
