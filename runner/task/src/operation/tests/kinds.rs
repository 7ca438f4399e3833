//! Tests groups and tables as operations.

use super::*;
use crate::Dataset;

fn group(name: &str) -> Operation {
    Operation::group(name, ElementOrder::Lexicographic).unwrap()
}

#[test]
fn a_group_is_an_operation_on_its_elements() {
    let operation = group(" S4 ");
    assert_eq!(operation, parse("group S4"));
    assert_eq!(operation.size(), Some(24));
    assert_eq!([operation.tokens(7), operation.classes(7)], [24, 24]);
    assert_eq!(operation.operands(), 2);
    assert_eq!(operation.as_group().unwrap().name(), "S4");
    assert!(operation.as_table().is_none());
    let evaluator = operation.evaluator(24).unwrap();
    let product = |a, b| operation.as_group().unwrap().product(a, b);
    let data = Dataset::new(&operation, 24).unwrap();
    assert_eq!(data.pairs().len(), 576);
    for (a, b) in (0..25).flat_map(|a| (0..25).map(move |b| (a, b))) {
        assert_eq!(evaluator.apply(a, b), product(a, b));
        assert_eq!(operation.apply(a, b, 24), product(a, b));
        if a < 24 && b < 24 {
            assert_eq!(data.label(a * 24 + b), product(a, b));
        }
    }
    assert_eq!(
        operation.count(24, 1).unwrap(),
        Count {
            pairs: 576,
            exact: true
        }
    );
    assert!(!operation.is_commutative(24));
    assert!(group("C6").is_commutative(6));
}

#[test]
fn texts_of_groups() {
    for (name, order, text, slug, notation) in [
        (
            "S5",
            ElementOrder::Lexicographic,
            "group S5",
            "group-s5",
            "ab in S5",
        ),
        (
            "Dic26",
            ElementOrder::Lexicographic,
            "group Dic26",
            "group-dic26",
            "ab in Dic26",
        ),
        (
            "S4×S4",
            ElementOrder::Lexicographic,
            "group S4 x S4",
            "group-s4-x-s4",
            "ab in S4 x S4",
        ),
        (
            "S5",
            ElementOrder::RepTheory,
            "group S5 in rep-theory order",
            "group-s5-rep-theory",
            "ab in S5 in rep-theory order",
        ),
        (
            "A5",
            ElementOrder::Parity,
            "group A5 in parity order",
            "group-a5-parity",
            "ab in A5 in parity order",
        ),
    ] {
        let operation = Operation::group(name, order).unwrap();
        assert_eq!([operation.text(), &operation.to_string()], [text; 2]);
        assert_eq!(operation.slug(), slug);
        assert_eq!(operation.notation(), notation);
        assert_eq!(parse(text), operation);
        assert_eq!(operation.name(), None);
    }
    assert_eq!(parse("group S5 in lexicographic order"), group("S5"));
    assert_ne!(parse("group S5 in parity order"), group("S5"));
    let long = group("C2 x C2 x C2 x C2 x C2 x C2 x C2 x C2");
    assert_eq!(long.slug().len(), LONGEST_SLUG);
}

#[test]
fn mistakes_in_groups_are_pointed_at() {
    for (text, pointed_at) in [
        (" group s5", "s5"),
        ("group S4 x T9 in parity order", "T9"),
        ("group S4 in party order", "S4 in party order"),
        ("group C5 in parity order", " C5"),
        ("group", ""),
        ("group S9", "S9"),
    ] {
        assert_eq!(refused(text).1, pointed_at, "{text}");
    }
}

#[test]
fn the_modulus_of_a_group_or_a_table_is_its_number_of_elements() {
    let table = TableOperation::from_square(&[0, 1, 1, 0], 2).unwrap();
    for (operation, size) in [(group("S4"), "24"), (Operation::table("xor", table), "2")] {
        for modulus in [0, 1, 7, 65_536] {
            assert!(operation.check(modulus).is_err());
            assert_eq!(operation.apply(0, 0, modulus), None);
        }
        let error = operation.check_within(7, 1).unwrap_err();
        assert!(
            error.message.contains(&format!("has {size} elements")),
            "{error}"
        );
        assert!(error.expected.ends_with(size), "{error}");
        let error = operation.clone().on(Domain::Nonzero).unwrap_err();
        assert!(error.message.contains("no element that is zero"), "{error}");
        assert_eq!(operation.clone().on(Domain::All).unwrap(), operation);
    }
}

#[test]
fn a_table_is_an_operation_on_its_defined_pairs() {
    let operation = Operation::table_from_bytes("My table.csv", b"0,1,2\n1,,0\n2,0,\n").unwrap();
    let hash = operation.as_table().unwrap().hash().to_hex();
    assert_eq!(
        operation.text(),
        format!("table My table.csv ({})", &hash[..16])
    );
    assert_eq!(operation.notation(), "table My table.csv of a and b");
    assert_eq!(
        operation.slug(),
        format!("table-my-table-csv-{}", &hash[..6])
    );
    assert_eq!((operation.size(), operation.operands()), (Some(3), 2));
    let data = Dataset::new(&operation, 3).unwrap();
    assert_eq!(data.pairs(), [0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(data.labels(), [0, 1, 2, 1, 0, 2, 0]);
    assert_eq!(
        operation.count(3, 1).unwrap(),
        Count {
            pairs: 7,
            exact: true
        }
    );
    assert!(operation.is_commutative(3));
    assert!(Operation::table_from_bytes("t", b"0,1").is_err());
}

#[test]
fn tables_are_equal_by_name_and_content() {
    let xor = || TableOperation::from_square(&[0, 1, 1, 0], 2).unwrap();
    let and = TableOperation::from_square(&[0, 0, 0, 1], 2).unwrap();
    assert_eq!(
        Operation::table("t", xor()),
        Operation::table(" t\n", xor())
    );
    assert_ne!(Operation::table("t", xor()), Operation::table("u", xor()));
    assert_ne!(
        Operation::table("t", xor()),
        Operation::table("t", and.clone())
    );
    assert_ne!(
        Operation::table("t", xor()).slug(),
        Operation::table("t", and).slug()
    );
    for name in ["", "é", "../../x", &"long".repeat(100), "\u{0}\n"] {
        let operation = Operation::table(name, xor());
        let slug = operation.slug();
        let fits = |c| matches!(c, 'a'..='z' | '0'..='9' | '-');
        assert!(
            slug.len() <= LONGEST_SLUG && slug.chars().all(fits),
            "{slug}"
        );
        assert!(!operation.text().contains(char::is_control));
    }
}
