use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde_json::Value;

use super::*;
use crate::fixtures::{json, numbers, sha256_of_i64};
use crate::torch::Generator;

fn group(name: &str) -> Group {
    Group::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn published() -> Value {
    json(include_str!("../../fixtures/groups.json"))
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

fn names(group: &Group) -> Vec<String> {
    (0..group.order())
        .map(|a| group.element_name(a).unwrap())
        .collect()
}

fn table(group: &Group) -> Vec<u32> {
    (0..group.order())
        .flat_map(|a| (0..group.order()).map(move |b| group.product(a, b).unwrap()))
        .collect()
}

/// Counts the elements of each order.
fn orders(group: &Group) -> BTreeMap<u32, u32> {
    let mut orders = BTreeMap::new();
    for a in 0..group.order() {
        let (mut power, mut order) = (a, 1);
        while power != group.identity() {
            power = group.product(power, a).unwrap();
            order += 1;
        }
        *orders.entry(order).or_default() += 1;
    }
    orders
}

#[test]
fn elements_inverses_and_tables_are_the_published_ones() {
    let published = published();
    for name in ["S4", "S5", "A5", "D5"] {
        let (group, expected) = (group(name), &published[format!("group_{name}")]);
        assert_eq!(group.order(), expected["order"]);
        assert_eq!(names(&group), texts(&expected["elements"]), "{name}");
        let inverses: Vec<u32> = (0..group.order())
            .map(|a| group.inverse(a).unwrap())
            .collect();
        assert_eq!(inverses, numbers(&expected["inverse"]), "{name}");
        let table = table(&group);
        assert_eq!(sha256_of_i64(&table), expected["sha256_table_i64le"]);
        if let Some(rows) = expected["table"].as_array() {
            assert_eq!(table, rows.iter().flat_map(numbers).collect::<Vec<u32>>());
        }
    }
}

#[test]
fn conjugacy_classes_have_the_published_sizes() {
    let published = published();
    for name in ["S4", "S5", "A5", "D5"] {
        let group = group(name);
        let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
        for a in 0..group.order() {
            let conjugate = |g| {
                let inverse = group.inverse(g)?;
                group.product(group.product(inverse, a)?, g)
            };
            // The least conjugate represents the class.
            let least = (0..group.order()).map(|g| conjugate(g).unwrap()).min();
            *sizes.entry(least.unwrap()).or_default() += 1;
        }
        let mut found: Vec<u32> = sizes.into_values().collect();
        let mut expected = numbers(&published[format!("group_{name}")]["class_sizes"]);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn published_orders_list_the_published_elements() {
    let published = published();
    let lists = published["rep_theory_order"].as_object().unwrap();
    assert_eq!(lists.len(), 4);
    for (name, list) in lists {
        let group = Group::with_order(name, ElementOrder::RepTheory).unwrap();
        assert_eq!(names(&group), texts(list), "{name}");
    }
    for name in ["S4", "S5", "A5"] {
        let list = numbers(&published[format!("group_{name}")]["parity_sorted_order"]);
        let (sorted, plain) = (
            Group::with_order(name, ElementOrder::Parity).unwrap(),
            group(name),
        );
        let expected: Vec<String> = list
            .iter()
            .map(|a| names(&plain)[*a as usize].clone())
            .collect();
        assert_eq!(names(&sorted), expected, "{name}");
    }
}

#[test]
fn an_order_renumbers_the_same_group() {
    for order in ElementOrder::ALL {
        assert_eq!(ElementOrder::from_name(order.name()), Some(order));
        for name in ["S5", "A5"] {
            let (ordered, plain) = (Group::with_order(name, order).unwrap(), group(name));
            assert_eq!(ordered.element_order(), order);
            let names = names(&plain);
            let place = |a| {
                let name = ordered.element_name(a).unwrap();
                names.iter().position(|other| *other == name).unwrap() as u32
            };
            assert_eq!(place(ordered.identity()), 0);
            for a in 0..ordered.order() {
                assert_eq!(
                    Some(place(ordered.inverse(a).unwrap())),
                    plain.inverse(place(a))
                );
                for b in (0..ordered.order()).step_by(7) {
                    let product = place(ordered.product(a, b).unwrap());
                    assert_eq!(Some(product), plain.product(place(a), place(b)));
                }
            }
        }
    }
    assert_eq!(ElementOrder::from_name("Parity"), None);
}

#[test]
fn orders_that_are_not_published_are_refused_by_name() {
    for (name, order, groups) in [
        ("S7", ElementOrder::RepTheory, "S4, S5, S6 and A5"),
        ("C113", ElementOrder::RepTheory, "S4, S5, S6 and A5"),
        ("A4", ElementOrder::RepTheory, "S4, S5, S6 and A5"),
        ("D60", ElementOrder::Parity, "Sn and An, alone"),
        (" S4xS4 ", ElementOrder::Parity, "Sn and An, alone"),
    ] {
        let error = Group::with_order(name, order).unwrap_err();
        assert!(error.message.contains(group(name).name()), "{error}");
        assert!(error.expected.ends_with(groups), "{error}");
        assert_eq!(error.span, 0..name.len());
    }
}

#[test]
fn groups_have_the_axioms() {
    let mut generator = Generator::new(5);
    for name in [
        "C2",
        "C113",
        "D2",
        "D3",
        "D60",
        "Dic2",
        "Dic26",
        "S2",
        "S3",
        "S6",
        "S7",
        "A3",
        "A4",
        "A6",
        "A7",
        "S4 x S4",
        "C2 x C2 x C2",
        "D5 x Dic3",
        "S3 x S3 x S3",
    ] {
        let group = group(name);
        assert_eq!(group.name(), name);
        let bound = NonZeroU64::new(group.order().into()).unwrap();
        let mut element = || generator.random_below(bound) as u32;
        let product = |a, b| group.product(a, b).unwrap();
        let e = group.identity();
        for _ in 0..500 {
            let (a, b, c) = (element(), element(), element());
            assert_eq!(
                product(product(a, b), c),
                product(a, product(b, c)),
                "{name}"
            );
            assert_eq!([product(a, e), product(e, a)], [a, a], "{name}");
            let inverse = group.inverse(a).unwrap();
            assert_eq!([product(a, inverse), product(inverse, a)], [e, e], "{name}");
        }
        let beyond = group.order();
        assert_eq!(group.product(beyond, 0), None);
        assert_eq!(group.product(0, u32::MAX), None);
        assert_eq!(group.inverse(beyond), None);
        assert_eq!(group.element_name(beyond), None);
    }
}

#[test]
fn products_run_over_every_element_and_abelian_groups_are_those_that_commute() {
    for name in [
        "C2", "C12", "D2", "D3", "D7", "Dic2", "Dic5", "S2", "S3", "S4", "A3", "A4", "C3 x C5",
        "S3 x C2", "D2 x A3",
    ] {
        let group = group(name);
        let elements = || 0..group.order();
        for a in elements() {
            let mut row: Vec<u32> = elements().map(|b| group.product(a, b).unwrap()).collect();
            row.sort_unstable();
            assert!(row.into_iter().eq(elements()), "{name}");
        }
        let commutes = |a| elements().all(|b| group.product(a, b) == group.product(b, a));
        assert_eq!(group.is_abelian(), elements().all(commutes), "{name}");
    }
}

/// Tests the number of elements of each order against the literature; it is the same for isomorphic
/// groups.
#[test]
fn groups_have_their_numbers_of_elements_of_each_order() {
    for (name, counts) in [
        (
            "C12",
            &[(1, 1), (2, 1), (3, 2), (4, 2), (6, 2), (12, 4)][..],
        ),
        ("D6", &[(1, 1), (2, 7), (3, 2), (6, 2)]),
        ("Dic2", &[(1, 1), (2, 1), (4, 6)]),
        ("Dic3", &[(1, 1), (2, 1), (3, 2), (4, 6), (6, 2)]),
        ("S4", &[(1, 1), (2, 9), (3, 8), (4, 6)]),
        ("A4", &[(1, 1), (2, 3), (3, 8)]),
        ("A5", &[(1, 1), (2, 15), (3, 20), (5, 24)]),
        ("S5", &[(1, 1), (2, 25), (3, 20), (4, 30), (5, 24), (6, 20)]),
        ("C2 x C2", &[(1, 1), (2, 3)]),
    ] {
        assert_eq!(
            orders(&group(name)),
            counts.iter().copied().collect(),
            "{name}"
        );
    }
    for (one, other) in [
        ("S3", "D3"),
        ("D2", "C2 x C2"),
        ("D6", "S3 x C2"),
        ("C15", "C3 x C5"),
        ("A3", "C3"),
    ] {
        assert_eq!(orders(&group(one)), orders(&group(other)));
    }
    // These two groups of order 104 have the same characters but different orders of elements.
    let (dihedral, dicyclic) = (group("D52"), group("Dic26"));
    assert_eq!([dihedral.order(), dicyclic.order()], [104; 2]);
    assert_ne!(orders(&dihedral), orders(&dicyclic));
}

#[test]
fn names_of_elements() {
    for (name, element, shown) in [
        ("C113", 112, "112"),
        ("D5", 8, "r3s"),
        ("Dic26", 53, "a1x"),
        ("S4", 23, "3210"),
        ("S4 x D3", 6 * 23 + 4, "(3210, r1s)"),
    ] {
        assert_eq!(group(name).element_name(element).unwrap(), shown);
    }
}

#[test]
fn mistakes_in_names_are_pointed_at() {
    for (name, pointed_at, message, help) in [
        ("", "", "no name", ""),
        ("  ", "", "no name", ""),
        ("S", "S", "lacks its number", ""),
        ("S1", "S1", "no group to learn", ""),
        ("C0", "C0", "no group to learn", ""),
        ("Dic1", "Dic1", "no group to learn", ""),
        ("s5", "s5", "unknown group `s5`", "did you mean `S5`?"),
        ("Z113", "Z113", "unknown group", "did you mean `C113`?"),
        ("Q8", "Q8", "unknown group", "is `Dic2`"),
        ("M11", "M11", "unknown group `M11`", ""),
        ("S4 x", "S4 x", "a group is missing", ""),
        ("S4 x  x S4", "  ", "a group is missing", ""),
        ("S4 x T9", "T9", "unknown group `T9`", ""),
        ("S8", "S8", "too large: 40320 elements", ""),
        ("D2521", "D2521", "too large", ""),
        (" S5 x S5 ", "S5 x S5", "too large", ""),
        (
            "C99999999999999999999",
            "C99999999999999999999",
            "too large",
            "",
        ),
        ("S4 × Ü", "Ü", "unknown group `Ü`", ""),
    ] {
        let error = Group::parse(name).unwrap_err();
        assert!(error.message.contains(message), "{name}: {error:?}");
        assert!(!error.expected.is_empty());
        assert_eq!(error.help.is_some(), !help.is_empty(), "{error:?}");
        assert!(
            error.help.clone().unwrap_or_default().contains(help),
            "{error:?}"
        );
        let found = &name[error.span];
        assert!(
            found == pointed_at || message.contains("missing"),
            "{name}: `{found}`"
        );
    }
    for (name, one_form) in [
        ("S4xS4", "S4 x S4"),
        (" C2 × D03 ", "C2 x D3"),
        ("S7", "S7"),
    ] {
        assert_eq!(group(name).name(), one_form);
    }
}

/// Tests texts over the alphabet of names and its surroundings: nothing panics, errors point into
/// the name, and a name that parses is written in a form that parses to the same group.
#[test]
fn random_names() {
    const PIECES: [&str; 14] = [
        "C", "D", "Dic", "S", "A", "x", " x ", "×", "0", "2", "3", "14", " ", "é",
    ];
    let mut generator = Generator::new(2);
    let mut below = |n: usize| {
        let bound = NonZeroU64::new(n as u64).unwrap();
        generator.random_below(bound) as usize
    };
    let mut parsed = 0;
    for _ in 0..20_000 {
        let name: String = (0..1 + below(6))
            .map(|_| PIECES[below(PIECES.len())])
            .collect();
        match Group::parse(&name) {
            Err(error) => assert!(
                name.get(error.span.clone()).is_some(),
                "{name:?}: {error:?}"
            ),
            Ok(group) => {
                assert!((2..=MAX_ELEMENTS).contains(&group.order()));
                assert_eq!(Group::parse(group.name()).unwrap().name(), group.name());
                parsed += 1;
            }
        }
    }
    assert!(parsed > 200, "{parsed}");
}
