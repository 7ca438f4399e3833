//! Tests expressions with more than two operands, and operations without zero.

use super::*;

#[test]
fn as_many_operands_as_the_last_letter_says() {
    for (text, operands) in [
        ("1", 2),
        ("a", 2),
        ("b - a", 2),
        ("add", 2),
        ("a + b + c", 3),
        ("a + c", 3),
        ("c", 3),
        ("1 if d odd else a", 4),
        ("a/b/c/d/e", 5),
        ("-(2*e)^2", 5),
    ] {
        let operation = parse(text);
        assert_eq!(operation.operands(), operands, "{text}");
        assert_eq!(operation.evaluator(5).unwrap().operands(), operands);
        assert_eq!(operation.text(), text);
        assert_eq!(operation.size(), None);
        assert_eq!([operation.tokens(5), operation.classes(5)], [5, 5]);
    }
}

#[test]
fn more_operands_are_evaluated_as_written() {
    let p = 7;
    for (text, direct) in [
        ("a + b*c", (|t| t[0] + t[1] * t[2]) as fn(&[u32]) -> u32),
        ("a*b + c^2", |t| t[0] * t[1] + t[2] * t[2]),
        (
            "a if c odd else b",
            |t| if t[2] % 2 == 1 { t[0] } else { t[1] },
        ),
    ] {
        let operation = parse(text);
        let evaluator = operation.evaluator(p).unwrap();
        for (a, (b, c)) in (0..p).flat_map(|a| (0..p * p).map(move |r| (a, (r / p, r % p)))) {
            let tuple = [a, b, c];
            assert_eq!(
                evaluator.apply_all(&tuple),
                Some(direct(&tuple) % p),
                "{text}"
            );
        }
        // The tuples have another number of operands, or operands that are not residues.
        for tuple in [
            &[][..],
            &[1, 2],
            &[1, 2, 3, 4],
            &[7, 0, 0],
            &[0, 0, 7],
            &[0; 9],
        ] {
            assert_eq!(evaluator.apply_all(tuple), None);
        }
        assert_eq!(evaluator.apply(1, 2), None);
        assert_eq!(operation.apply(1, 2, p), None);
    }
    let five = parse("a + b*c - d/e");
    assert_eq!(
        five.evaluator(11).unwrap().apply_all(&[1, 2, 3, 4, 2]),
        Some(5)
    );
    assert_eq!(
        five.evaluator(11).unwrap().apply_all(&[1, 2, 3, 4, 0]),
        None
    );
}

#[test]
fn notations_and_slugs_have_all_letters() {
    for (text, notation, slug) in [
        ("a + b + c", "a + b + c", "a-plus-b-plus-c"),
        ("a*b*c", "ab × c", "abc"),
        ("2*d*e^2 - c", "2de² − c", "2de2-minus-c"),
        ("a*c", "a × c", "ac"),
    ] {
        let operation = parse(text);
        assert_eq!(operation.notation(), notation);
        assert_eq!(operation.slug(), slug);
        assert_eq!(operation.name(), None);
    }
    // The expression is spelled like a name but is another operation.
    let product = parse("a*d*d");
    assert!(product.slug().starts_with("add-"), "{}", product.slug());
}

#[test]
fn letters_of_operands_make_no_names_and_names_no_letters() {
    for (text, message, help) in [
        ("ad", "unknown operation `ad`", "did you mean `add`?"),
        ("adde", "unknown operation `adde`", "did you mean `add`?"),
        (
            "add-evn-else-mul",
            "unknown operation",
            "did you mean `add-even-else-mul`?",
        ),
        (
            "a + bcd",
            "unknown word `bcd`",
            "products are written with `*`: b*c*d",
        ),
        (
            "cde",
            "unknown word `cde`",
            "products are written with `*`: c*d*e",
        ),
        ("a + C", "unknown word `C`", "operands are lower-case"),
        ("z + 1", "unknown word `z`", "the third operand is `c`"),
        ("f + 1", "unknown word `f`", ""),
        (
            "S5",
            "unknown operation `S5`",
            "for the group, write `group S5`",
        ),
        (
            "D60",
            "unknown operation `D60`",
            "for the group, write `group D60`",
        ),
    ] {
        let (error, _) = refused(text);
        assert!(error.message.contains(message), "{text}: {error:?}");
        assert!(
            error.help.clone().unwrap_or_default().contains(help),
            "{error:?}"
        );
    }
    for text in ["a-d", "c-d", "e", "d-a-1", "b-e"] {
        assert_eq!(
            parse(text).operands(),
            if text.contains('e') { 5 } else { 4 },
            "{text}"
        );
    }
}

#[test]
fn too_many_tuples_are_refused_with_the_modulus_that_would_do() {
    for (text, modulus, largest) in [
        ("a + b + c", 646, 645),
        ("a + b + c + d", 129, 128),
        ("a + b + c + d + e", 49, 48),
        ("a + b + c + d + e", 65_535, 48),
    ] {
        let operation = parse(text);
        operation.check(largest).unwrap();
        for error in [
            operation.check(modulus).unwrap_err(),
            operation.check_within(modulus, 1).unwrap_err(),
            operation.count(modulus, 1).unwrap_err(),
        ] {
            assert!(error.message.contains("too many tuples"), "{error}");
            assert!(
                error.expected.contains(&format!("at most {largest} for")),
                "{error}"
            );
            assert_eq!(error.span, 0..text.len());
        }
    }
    // Two operands have the same bound as before.
    parse("a + b").check(65_535).unwrap();
}

#[test]
fn divisors_of_many_operands_are_checked_and_counted() {
    for (text, modulus) in [
        ("a/b + c", 7),
        ("a/(b + c)", 5),
        ("a/(b*c*d)", 5),
        ("1/(a + b + c + d + e)", 5),
        ("a/(6*c + 1) + b", 12),
        ("a if b odd else 1/c", 11),
    ] {
        let operation = parse(text);
        let data = crate::Dataset::new(&operation, modulus).unwrap();
        let count = operation.count(modulus, u64::MAX).unwrap();
        let pairs = data.pairs().len() as u64;
        assert_eq!(count, Count { pairs, exact: true }, "{text}");
        let tuples = u64::from(modulus).pow(operation.operands() as u32);
        let some = operation.count(modulus, tuples / 3).unwrap();
        assert!(!some.exact);
        let share = some.pairs as f64 / pairs as f64;
        assert!((0.8..1.25).contains(&share), "{text}: {some:?} of {pairs}");
        operation.check_within(modulus, 10).unwrap();
    }
    for text in ["a/c", "1/(b + c)", "a + b/(c*d)", "a if e odd else 1/d"] {
        let error = parse(text).check(12).unwrap_err();
        assert!(
            error.message.contains("shares the factor"),
            "{text}: {error}"
        );
    }
    let error = parse("a/(c - c)").check(7).unwrap_err();
    assert!(error.message.contains("divides by 0"), "{error}");
}

#[test]
fn exchanging_any_operands_makes_an_operation_commutative() {
    for (text, commutative) in [
        ("a + b + c", true),
        ("a*b*c*d", true),
        ("a*b + c", false),
        ("a + c", false),
        ("a*b + b*c + c*a", true),
        ("1/(a + b + c)", true),
    ] {
        assert_eq!(parse(text).is_commutative(5), commutative, "{text}");
    }
}

fn on_nonzero(text: &str) -> Operation {
    parse(text).on(Domain::Nonzero).unwrap()
}

#[test]
fn without_zero_an_operation_is_another_one() {
    for (text, expected, slug, notation) in [
        ("mul", "mul-nonzero", "mul-nonzero", "a × b (a, b ≠ 0)"),
        (
            "mul-nonzero",
            "mul-nonzero",
            "mul-nonzero",
            "a × b (a, b ≠ 0)",
        ),
        (
            "add",
            "a + b on nonzero",
            "a-plus-b-nonzero",
            "a + b (a, b ≠ 0)",
        ),
        (
            "a + b + c",
            "a + b + c on nonzero",
            "a-plus-b-plus-c-nonzero",
            "a + b + c (a, b, c ≠ 0)",
        ),
    ] {
        let operation = on_nonzero(text);
        assert_eq!(operation.text(), expected);
        assert_eq!(operation.slug(), slug);
        assert_eq!(operation.notation(), notation);
        assert_eq!(parse(operation.text()), operation);
        assert_eq!(parse(text).on(Domain::All).unwrap(), parse(text));
        let p = 7_u64;
        let count = operation.count(7, u64::MAX).unwrap();
        assert_eq!(count.pairs, (p - 1).pow(operation.operands() as u32));
        let data = crate::Dataset::with(&parse(text), 7, Domain::Nonzero).unwrap();
        assert_eq!(data.pairs().len() as u64, count.pairs);
        assert!(
            data.pairs()
                .iter()
                .all(|pair| data.tokens_of(*pair).all(|t| t != 0))
        );
    }
    assert_eq!(parse(" add  on  nonzero "), on_nonzero("add"));
    assert_ne!(parse("add on nonzero"), parse("add"));
    // The divisors have no inverse only if an operand is 0.
    on_nonzero("a/(a + 2)").check(4).unwrap();
    assert!(parse("a/(a + 2)").check(4).is_err());
    let long = on_nonzero("a^2 + 3*a*b + 7*b^2 + 11*a + 13*b");
    assert!(long.slug().len() <= LONGEST_SLUG && long.slug().ends_with("-nonzero"));
    let (error, pointed_at) = refused(" on nonzero");
    assert_eq!(
        (error.message.as_str(), pointed_at),
        ("the operation is empty", " ")
    );
    assert_eq!(refused("(a on nonzero").1, "(");
}

/// Tests the same as [`random_texts`], with all letters, groups and domains.
#[test]
fn random_texts_of_all_kinds() {
    const PIECES: [&str; 20] = [
        "a",
        "b",
        "c",
        "d",
        "e",
        "+",
        "*",
        "/",
        "^2",
        "(",
        ")",
        " ",
        "2",
        "group ",
        "S4",
        " x ",
        " in parity order",
        " on nonzero",
        "D5",
        "é",
    ];
    let mut generator = Generator::new(4);
    let mut below = |n: usize| {
        let bound = NonZeroU64::new(n as u64).unwrap();
        generator.random_below(bound) as usize
    };
    let mut slugs: HashMap<String, Operation> = HashMap::new();
    for round in 0..30_000 {
        let text: String = if round % 2 == 0 {
            (0..1 + below(7)).map(|_| PIECES[below(20)]).collect()
        } else {
            // Returns letters with signs between them.
            let signed = |below: &mut dyn FnMut(usize) -> usize| {
                [PIECES[below(5)], PIECES[5 + below(3)]].concat()
            };
            let terms: String = (0..below(5)).map(|_| signed(&mut below)).collect();
            let end = ["", " on nonzero"][below(2)];
            format!("{terms}{}{end}", PIECES[below(5)])
        };
        match Operation::parse(&text) {
            Err(error) => assert!(
                text.get(error.span.clone()).is_some(),
                "{text:?}: {error:?}"
            ),
            Ok(operation) => {
                assert_eq!(parse(operation.text()), operation, "{text}");
                let slug = operation.slug();
                let fits = |c| matches!(c, 'a'..='z' | '0'..='9' | '-');
                assert!(
                    slug.len() <= LONGEST_SLUG && slug.chars().all(fits),
                    "{slug}"
                );
                let _ = operation.check_within(6, 100);
                let first = slugs.entry(slug).or_insert_with(|| operation.clone());
                assert_eq!(*first, operation, "{text}");
            }
        }
    }
    assert!(slugs.len() > 500, "{}", slugs.len());
}
