//! Recognises a finite group by its table of products, and lists its conjugacy classes. Owns no
//! names of groups.

use grokrun_task::Group;

/// The most elements of a group whose representations are computed: their matrix entries are a
/// table of as many numbers squared, found with as many operations cubed.
pub const MOST_ELEMENTS: usize = 1_024;

/// Holds the table of products of a finite group with elements 0 to n − 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTable {
    n: usize,
    /// `(n, n)`, the first factor slow
    products: Vec<u32>,
    inverses: Vec<u32>,
    identity: usize,
    /// the conjugacy class of each element, numbered by their first elements
    class_of: Vec<usize>,
    /// the number of conjugacy classes
    classes: usize,
}

impl GroupTable {
    /// Reads the labels `(n²)` of an operation, a-major, as a table of products; none if the
    /// operation is not that of a group, or the group has more than [`MOST_ELEMENTS`] elements.
    pub fn of(labels: &[Option<u32>], n: usize) -> Option<GroupTable> {
        if n == 0 || n > MOST_ELEMENTS || labels.len() != n * n {
            return None;
        }
        let products: Vec<u32> = labels.iter().copied().collect::<Option<_>>()?;
        let at = |a: usize, b: usize| products[a * n + b] as usize;
        let neutral = |e: &usize| (0..n).all(|x| at(*e, x) == x && at(x, *e) == x);
        let identity = (0..n).find(neutral)?;
        // With associativity, which is tested below, one inverse on the right is enough.
        let inverse = |a: usize| (0..n).find(|b| at(a, *b) == identity);
        let inverses = (0..n).map(|a| inverse(a).map(|b| b as u32));
        let inverses: Vec<u32> = inverses.collect::<Option<_>>()?;
        // A table of numbers of n or more ends the search above without an inverse or here.
        if products.iter().any(|x| *x as usize >= n) || !associative(n, at) {
            return None;
        }
        let mut class_of = vec![usize::MAX; n];
        let mut classes = 0;
        for x in 0..n {
            if class_of[x] == usize::MAX {
                for g in 0..n {
                    class_of[at(at(g, x), inverses[g] as usize)] = classes;
                }
                classes += 1;
            }
        }
        Some(GroupTable {
            n,
            inverses,
            identity,
            class_of,
            classes,
            products,
        })
    }

    /// Returns the table of a group by its name: "S4", "D60", "S3 x C2"; none if there is no such
    /// group, or it is too large.
    pub fn named(name: &str) -> Option<GroupTable> {
        GroupTable::of_group(&Group::parse(name).ok()?)
    }

    /// Returns the table of a group; none if it is too large.
    pub(crate) fn of_group(group: &Group) -> Option<GroupTable> {
        let n = group.order();
        if n as usize > MOST_ELEMENTS {
            return None;
        }
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
        let labels: Vec<Option<u32>> = pairs.map(|(a, b)| group.product(a, b)).collect();
        GroupTable::of(&labels, n as usize)
    }

    /// Returns n, the number of elements.
    pub fn order(&self) -> usize {
        self.n
    }

    /// Returns the product of two elements.
    ///
    /// # Panics
    /// Panics if one of them is not below n.
    pub fn product(&self, a: usize, b: usize) -> usize {
        self.products[a * self.n + b] as usize
    }

    /// Returns the inverse of an element.
    ///
    /// # Panics
    /// Panics if it is not below n.
    pub fn inverse(&self, a: usize) -> usize {
        self.inverses[a] as usize
    }

    /// Returns the neutral element.
    pub fn identity(&self) -> usize {
        self.identity
    }

    /// Returns the conjugacy class of each element, `(n)`: classes are numbered from 0 on, in the
    /// order of their first elements.
    pub fn class_of(&self) -> &[usize] {
        &self.class_of
    }

    /// Returns the number of conjugacy classes.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

/// Says whether (x g) y = x (g y) for all x and y and for elements g from which all others are
/// products: then it holds for all g (Light's test).
fn associative(n: usize, at: impl Fn(usize, usize) -> usize) -> bool {
    let mut reached = vec![false; n];
    let mut found: Vec<usize> = Vec::new();
    for g in 0..n {
        if reached[g] {
            continue;
        }
        if !(0..n).all(|x| (0..n).all(|y| at(at(x, g), y) == at(x, at(g, y)))) {
            return false;
        }
        // Close what was found under products with the generators on the right.
        reached[g] = true;
        found.push(g);
        let mut next = 0;
        while next < found.len() {
            for other in 0..found.len() {
                for product in [at(found[next], found[other]), at(found[other], found[next])] {
                    if !std::mem::replace(&mut reached[product], true) {
                        found.push(product);
                    }
                }
            }
            next += 1;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::table_of;

    #[test]
    fn groups_are_recognised_with_their_classes() {
        for (name, classes) in [
            ("S3", 3),
            ("S4", 5),
            ("S5", 7),
            ("A5", 5),
            ("D5", 4),
            ("D6", 6),
            ("Dic3", 6),
            ("C4 x C6", 24),
            ("S3 x S3", 9),
        ] {
            let table = table_of(name);
            assert_eq!(table.classes(), classes, "{name}");
            for a in 0..table.order() {
                assert_eq!(table.product(a, table.inverse(a)), table.identity());
                assert_eq!(table.product(table.inverse(a), a), table.identity());
            }
        }
    }

    #[test]
    fn what_is_no_group_is_not_taken_for_one() {
        let labels = |n: u32, f: &dyn Fn(u32, u32) -> u32| -> Vec<Option<u32>> {
            (0..n * n).map(|i| Some(f(i / n, i % n))).collect()
        };
        // No neutral element; no inverses; values that are no elements; an undefined pair.
        assert!(GroupTable::of(&labels(5, &|a, b| (a + 5 - b) % 5), 5).is_none());
        assert!(GroupTable::of(&labels(5, &|a, b| a * b % 5), 5).is_none());
        assert!(GroupTable::of(&labels(5, &|a, b| a + b), 5).is_none());
        let mut partial = labels(5, &|a, b| (a + b) % 5);
        assert!(GroupTable::of(&partial, 5).is_some());
        partial[7] = None;
        assert!(GroupTable::of(&partial, 5).is_none());
        // A loop: a Latin square with a neutral element that is not associative.
        let rows = [
            [0, 1, 2, 3, 4],
            [1, 0, 3, 4, 2],
            [2, 4, 0, 1, 3],
            [3, 2, 4, 0, 1],
            [4, 3, 1, 2, 0],
        ];
        let square = labels(5, &|a, b| rows[a as usize][b as usize]);
        assert!(GroupTable::of(&square, 5).is_none());
    }
}
