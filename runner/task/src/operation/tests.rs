use std::collections::HashMap;
use std::num::NonZeroU64;

use super::*;
use crate::torch::Generator;

mod kinds;
mod mistakes;
mod operands;

fn parse(text: &str) -> Operation {
    Operation::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn formula(operation: &Operation) -> &Formula {
    match &operation.kind {
        Kind::Formula(formula) => formula,
        other => panic!("{other:?}"),
    }
}

/// Returns the error of a text, with the part of the text that the error points at.
fn refused(text: &str) -> (OperationError, &str) {
    let error = Operation::parse(text).expect_err(text);
    let pointed_at = &text[error.span.clone()];
    (error, pointed_at)
}

/// An operation of the literature, computed directly in integers.
type Direct = fn(i64, i64) -> i64;

#[test]
fn named_operations_are_their_definitions() {
    let definitions: [(&str, Direct); 12] = [
        ("add", |a, b| a + b),
        ("sub", |a, b| a - b),
        ("mul", |a, b| a * b),
        ("mul-nonzero", |a, b| a * b),
        ("square-add", |a, b| a * a + b),
        ("cube-add", |a, b| a * a * a + b),
        ("square-sum", |a, b| a * a + b * b),
        ("quadratic", |a, b| a * a + a * b + b * b),
        ("quadratic-add", |a, b| a * a + a * b + b * b + a),
        ("cubic", |a, b| a * a * a + a * b),
        ("cubic-add", |a, b| a * a * a + a * b * b + b),
        (
            "add-even-else-mul",
            |a, b| if a % 2 == 0 { a + b } else { a * b },
        ),
    ];
    for (name, direct) in definitions {
        let operation = parse(name);
        for p in [2, 7, 12, 97] {
            for (a, b) in (0..p).flat_map(|a| (0..p).map(move |b| (a, b))) {
                let value = operation.apply(a, b, p);
                if name == "mul-nonzero" && (a == 0 || b == 0) {
                    assert_eq!(value, None);
                } else {
                    let expected = direct(a.into(), b.into()).rem_euclid(p.into()) as u32;
                    assert_eq!(value, Some(expected), "{name}: {a}, {b} mod {p}");
                }
            }
        }
    }
}

#[test]
fn division_undoes_multiplication() {
    let (div, mixed) = (parse("div"), parse("div-odd-else-sub"));
    let p = 97;
    for (a, b) in (0..p).flat_map(|a| (0..p).map(move |b| (a, b))) {
        let quotient = div.apply(a, b, p);
        assert_eq!(quotient.is_none(), b == 0);
        assert_eq!(quotient.map(|c| c * b % p), (b != 0).then_some(a));
        let expected = if b % 2 == 1 {
            quotient
        } else {
            Some((a + p - b) % p)
        };
        assert_eq!(mixed.apply(a, b, p), expected);
    }
}

#[test]
fn every_name_parses_to_itself() {
    assert_eq!(Operation::names().len(), NAMED.len());
    for name in Operation::names() {
        let operation = parse(name);
        assert_eq!(operation.name(), Some(name));
        assert_eq!(
            [operation.text(), &operation.slug(), &operation.to_string()],
            [name; 3]
        );
        operation.check(113).unwrap();
    }
}

#[test]
fn a_named_operation_written_out_is_that_operation() {
    for (expression, name) in [
        ("a*b", "mul"),
        (" ( a + b ) ", "add"),
        ("a^2+a*b+b^2", "quadratic"),
        ("(a / b) if (b) is odd else (a - b)", "div-odd-else-sub"),
    ] {
        assert_eq!(parse(expression), parse(name));
        assert_eq!(parse(expression).slug(), name);
    }
    // The first two have the same values but are different expressions; the second two are the same
    // expression on different domains.
    assert_ne!(parse("b*a"), parse("mul"));
    assert_ne!(parse("a*b"), parse("mul-nonzero"));
}

#[test]
fn precedence() {
    for (expression, value) in [
        ("2 + 3*4", 14),
        ("2*3 + 4", 10),
        ("20 - 3 - 4", 13),
        ("20/2/5", 2),
        ("-2^2 + 10", 6),
        ("(-2)^2", 4),
        ("2*-3 + 10", 4),
        ("--5", 5),
        ("2*3^2", 18),
        ("1 if 3 odd else 2 if 3 even else 4", 1),
        ("1 if 2 odd else 2 if 3 even else 4", 4),
        ("(1 if 2 odd else 3) + 4", 7),
        ("1 if 2 odd else 3 + 4", 7),
        ("1 if 1 + 2 odd else 5", 1),
        ("0^0", 1),
        ("18446744073709551615", u64::MAX % 97),
        // By Fermat's theorem exponents count modulo 96, and 2^64 - 1 is 63 there.
        ("2^18446744073709551615 - 2^63", 0),
    ] {
        assert_eq!(
            parse(expression).apply(0, 0, 97),
            Some(value as u32),
            "{expression}"
        );
    }
}

#[test]
fn pairs_and_moduli_out_of_range_have_no_value() {
    let add = parse("add");
    assert_eq!(add.apply(7, 0, 7), None);
    assert_eq!(add.apply(0, 7, 7), None);
    for modulus in [0, 1, 65_536, u32::MAX] {
        assert_eq!(add.apply(0, 0, modulus), None);
        let error = add.check(modulus).unwrap_err();
        assert!(error.message.contains(&modulus.to_string()));
        assert_eq!(error.expected, "an integer from 2 to 65535");
    }
    assert_eq!(add.apply(65_534, 65_534, 65_535), Some(65_533));
    assert_eq!(parse("mul").apply(65_520, 65_520, 65_521), Some(1));
}

#[test]
fn composite_moduli_work_where_the_operation_is_defined() {
    for (defined, modulus) in [
        ("mul", 12),
        ("quadratic", 120),
        ("a/5", 12),
        ("a/(6*b + 1)", 12),
        ("a/(6*a*b + 1)", 12),
        // The divisor is always 0 or invertible: the pairs with 0 are left out.
        ("a/(b^6*25)", 9),
        // An odd number has an inverse modulo a power of two.
        ("div-odd-else-sub", 64),
        ("a/b if a*b odd else a", 64),
    ] {
        parse(defined).check(modulus).unwrap();
    }
    for (undefined, modulus) in [
        ("div", 12),
        ("a/2", 12),
        ("b/a", 9),
        ("1/(a + b)", 4),
        ("div-odd-else-sub", 15),
        ("a/b if a odd else b", 64),
        ("a if 1/b odd else b", 64),
        ("-(1/a)^2", 6),
    ] {
        let operation = parse(undefined);
        let error = operation.check(modulus).unwrap_err();
        assert!(
            error.message.contains("shares the factor"),
            "{undefined}: {error}"
        );
        assert_eq!(operation.evaluator(modulus).unwrap_err(), error);
        assert!(!operation.is_commutative(modulus));
    }
}

#[test]
fn the_error_of_a_modulus_says_why_and_what_would_do() {
    let error = parse(" a / b ").check(12).unwrap_err();
    assert_eq!(error.span, 0..7);
    assert_eq!(
        error.message,
        "modulo 12 there is no division by `b`: it can be 2, which shares the factor 2 with 12"
    );
    assert_eq!(
        error.help.as_deref(),
        Some("the nearest prime moduli are 11 and 13")
    );
    let error = parse("a/4").check(10).unwrap_err();
    assert_eq!(
        error.message,
        "modulo 10 there is no division by `4`, which shares the factor 2 with 10"
    );
    let error = parse("a/14").check(10).unwrap_err();
    assert_eq!(
        error.message,
        "modulo 10 there is no division by `14`, which shares the factor 2 with 10"
    );
    let error = parse("a/(b - b)").check(7).unwrap_err();
    assert_eq!(
        error.message,
        "modulo 7 the operation divides by 0 for every pair"
    );
    assert!(parse("a/113").check(113).is_err());
}

#[test]
fn an_evaluator_gives_what_apply_gives() {
    for text in [
        "div",
        "1/(a*b - 1)",
        "mul-nonzero",
        "(a + 1)^65/b if a even else -b",
        "sub",
    ] {
        let operation = parse(text);
        let evaluator = operation.evaluator(31).unwrap();
        for (a, b) in (0..33).flat_map(|a| (0..33).map(move |b| (a, b))) {
            assert_eq!(
                evaluator.apply(a, b),
                operation.apply(a, b, 31),
                "{text}: {a}, {b}"
            );
        }
    }
}

#[test]
fn commutativity_is_of_values_and_of_domains() {
    for (text, modulus, commutative) in [
        ("add", 113, true),
        ("mul-nonzero", 13, true),
        ("quadratic", 97, true),
        ("1/(a - b) - 1/(b - a)", 7, false),
        ("1/(a - b)^2", 7, true),
        ("sub", 113, false),
        ("sub", 2, true), // -1 = 1
        ("div", 7, false),
        ("div", 2, false), // 0/1 is defined, 1/0 is not
        ("cubic", 3, false),
        ("add-even-else-mul", 5, false),
    ] {
        assert_eq!(
            parse(text).is_commutative(modulus),
            commutative,
            "{text} mod {modulus}"
        );
    }
}

#[test]
fn notations() {
    for (text, notation) in [
        ("mul", "a × b"),
        ("sub", "a − b"),
        ("div", "a / b"),
        ("mul-nonzero", "a × b (a, b ≠ 0)"),
        ("cubic-add", "a³ + ab² + b"),
        ("div-odd-else-sub", "a / b if b is odd, else a − b"),
        ("2*a*b^12 - 3", "2ab¹² − 3"),
        ("a*2 + 1", "a × 2 + 1"),
        ("a/b*b", "a / b × b"),
        ("a/(b*b)", "a / (bb)"),
        ("(a + b)^2", "(a + b)²"),
        ("-(a*b)", "−(ab)"),
        ("a - (b - 1)", "a − (b − 1)"),
    ] {
        assert_eq!(parse(text).notation(), notation);
    }
}

#[test]
fn slugs() {
    for (text, slug) in [
        ("2*a + b", "2a-plus-b"),
        ("a^2*b", "a2b"),
        ("a*2*b", "a-times-2-times-b"),
        ("-a - 1", "minus-a-minus-1"),
        ("a/b + 1", "a-over-b-plus-1"),
        ("a*a", "aa"),
    ] {
        assert_eq!(parse(text).slug(), slug);
    }
    // The slugs are pinned, since folders of earlier runs have these names.
    assert_eq!(parse("(a + b)^2").slug(), "a-plus-b2-b67702");
    let long = parse("a^2 + 3*a*b + 7*b^2 + 11*a + 13*b + 17");
    assert!(
        long.slug().starts_with("a2-plus-3ab-plus-7b2-plus-11a-plu"),
        "{}",
        long.slug()
    );
    assert_eq!(long.slug().len(), LONGEST_SLUG);
}

#[test]
fn pairs_are_counted_as_the_data_set_has_them() {
    for (text, modulus) in [
        ("mul", 12),
        ("mul-nonzero", 13),
        ("div", 2),
        ("div", 113),
        ("a / (a + b)", 31),
        ("a / 2", 15),
        ("a/b if b odd else a - b", 59),
    ] {
        let operation = Operation::parse(text).unwrap();
        let pairs = crate::Dataset::new(&operation, modulus)
            .unwrap()
            .pairs()
            .len();
        let counted = operation.count(modulus, u64::MAX).unwrap();
        let want = Count {
            pairs: pairs as u64,
            exact: true,
        };
        assert_eq!(counted, want, "{text}");
        // The count is extrapolated from some rows, and says so.
        let some = operation.count(modulus, 10 * u64::from(modulus)).unwrap();
        let share = some.pairs as f64 / pairs as f64;
        assert!((0.85..1.15).contains(&share), "{text} {share}");
        assert!(some.exact || (formula(&operation).expression.divides() && modulus > 10));
    }
}

#[test]
fn the_largest_tables_are_checked_and_counted_in_bounded_time() {
    for (text, modulus) in [("a / (a - a)", 65_521), ("a / (1 + (a + b) * 0)", 65_535)] {
        let operation = Operation::parse(text).unwrap();
        // These pairs give no answer, so the operation is taken to be defined for now.
        operation.check_within(modulus, 1 << 20).unwrap();
        assert!(!operation.count(modulus, 1 << 20).unwrap().exact);
    }
    // An answer that the first pairs give is returned.
    let operation = Operation::parse("a / b").unwrap();
    assert!(operation.check_within(65_535, 1 << 20).is_err());
    assert!(operation.count(65_535, 1 << 20).is_err());
}
