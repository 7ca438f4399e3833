//! Tests the messages for texts that are not operations, and that no text causes a panic.

use super::*;

#[test]
fn mistakes_are_pointed_at() {
    for (text, pointed_at, message, help) in [
        (
            "mull",
            "mull",
            "unknown operation `mull`",
            "did you mean `mul`?",
        ),
        (
            " mul_nonzero",
            "mul_nonzero",
            "unknown operation",
            "did you mean `mul-nonzero`?",
        ),
        (
            "addition",
            "addition",
            "unknown operation",
            "did you mean `add`?",
        ),
        (
            "frobnicate",
            "frobnicate",
            "unknown operation",
            "the names are add, sub, mul",
        ),
        ("if", "if", "unknown operation", "the names are"),
        ("", "", "the operation is empty", "the names are"),
        ("  ", "  ", "the operation is empty", "the names are"),
        (
            "ab + 1",
            "ab",
            "unknown word `ab`",
            "products are written with `*`: a*b",
        ),
        ("2a", "a", "unexpected `a`", "products are written with `*`"),
        (
            "a(b + 1)",
            "(",
            "unexpected `(`",
            "products are written with `*`",
        ),
        ("x + y", "x", "unknown word `x`", "the first operand is `a`"),
        ("A*b", "A", "unknown word `A`", "operands are lower-case"),
        ("a × b", "×", "unexpected character `×`", "write `*`"),
        ("a² + b", "²", "unexpected character `²`", "write `^2`"),
        (
            "a**2",
            "**",
            "`**` is no operator",
            "powers are written with `^`",
        ),
        ("a^-1", "-", "unexpected `-`", "as a division"),
        ("a^2^3", "^", "unexpected `^`", "whichever is meant"),
        ("a*b mod 7", "mod", "unknown word `mod`", "leave it out"),
        ("(a + b", "(", "this parenthesis is never closed", ""),
        ("a + b)", ")", "unexpected `)`", "no `(` is open here"),
        ("a +", "+", "the expression ends too early", ""),
        ("a + * b", "*", "unexpected `*`", ""),
        ("a^b", "b", "unexpected `b`", ""),
        (
            "a if b",
            "b",
            "the expression ends too early",
            "the conditional form is",
        ),
        (
            "a if b odd",
            "d",
            "the expression ends too early",
            "the conditional form is",
        ),
        ("a if b even else", "e", "the expression ends too early", ""),
        (
            "a if b ood else b",
            "ood",
            "unknown word `ood`",
            "did you mean `odd`?",
        ),
        (
            "a odd",
            "odd",
            "unexpected `odd`",
            "the conditional form is",
        ),
        (
            "18446744073709551616",
            "18446744073709551616",
            "too large: 20 digits",
            "reduce it",
        ),
        ("a + \u{7f}", "\u{7f}", "unexpected character `\\u{7f}`", ""),
        ("0.5*a", ".", "unexpected character `.`", "one half is 1/2"),
    ] {
        let (error, pointed) = refused(text);
        assert_eq!(pointed, pointed_at, "{text}: {error:?}");
        assert!(error.message.contains(message), "{text}: {error:?}");
        match (help, &error.help) {
            ("", help) => assert_eq!(*help, None, "{text}"),
            (part, help) => assert!(help.as_ref().is_some_and(|h| h.contains(part)), "{error:?}"),
        }
        assert!(!error.expected.is_empty());
    }
}

#[test]
fn the_first_letter_of_an_expression_makes_no_name() {
    for text in ["a", "b", "a-b", "a-1", "b-a-2"] {
        assert_eq!(parse(text).name().is_some(), text == "a-b");
    }
    let (error, pointed_at) = refused("a-bb");
    assert_eq!(
        (pointed_at, error.message.as_str()),
        ("bb", "unknown word `bb`")
    );
}

#[test]
fn no_text_is_too_long_or_too_deep() {
    let (error, _) = refused(&"a".repeat(10_000_000));
    assert!(error.message.contains("too long: 10000000 bytes"));
    for deep in [
        "(".repeat(512),
        "-".repeat(512),
        "a if b odd else ".repeat(31) + "a",
    ] {
        let message = match Operation::parse(&deep) {
            Ok(operation) => operation
                .check(7)
                .map_or_else(|error| error.message, |()| "".into()),
            Err(error) => error.message,
        };
        assert!(
            message.is_empty() || message.contains("nested too deeply"),
            "{message}"
        );
    }
    assert!(
        refused(&"(".repeat(512))
            .0
            .message
            .contains("nested too deeply")
    );
    assert!(
        refused(&"-".repeat(512))
            .0
            .message
            .contains("nested too deeply")
    );
    let longest = format!("a{}", "+b".repeat(255));
    assert_eq!(parse(&longest).apply(1, 1, 97), Some(256 % 97));
    assert_eq!(parse(parse(&longest).text()), parse(&longest));
    assert!(
        refused(&format!("{longest}-1"))
            .0
            .message
            .contains("too long: 513 bytes")
    );
}

/// Returns a random expression, with parentheses here and there.
fn random_expression(below: &mut impl FnMut(usize) -> usize, depth: usize) -> String {
    if depth == 0 {
        return ["a", "b", "a^2", "b^3", "2", "13"][below(6)].to_owned();
    }
    let mut part = || random_expression(below, depth - 1);
    let (left, right, third) = (part(), part(), part());
    match below(9) {
        0 => format!("{left} + {right}"),
        1 => format!("{left} - {right}"),
        2 => format!("{left}*{right}"),
        3 => format!("{left}/{right}"),
        4 => format!("-{left}"),
        5 => format!("({left})^2"),
        6 => format!("({left}) if {right} odd else {third}"),
        7 => format!("({left})*({right})"),
        _ => format!("({left})"),
    }
}

/// Tests expressions and texts over the vocabulary and its surroundings, most of them wrong:
/// nothing panics, errors point into the text, a text that parses is written in a form that parses
/// to the same operation again, and no two expressions share a slug.
#[test]
fn random_texts() {
    const PIECES: [&str; 24] = [
        "a",
        "b",
        "+",
        "-",
        "*",
        "/",
        "^2",
        "^",
        "(",
        ")",
        " ",
        "if ",
        " odd ",
        " even ",
        " else ",
        "0",
        "17",
        "is",
        "²",
        "mul",
        "x",
        "_",
        "🦀",
        "a/b if b odd else ",
    ];
    let mut generator = Generator::new(1);
    let mut below = |n: usize| {
        let bound = NonZeroU64::new(n as u64).unwrap();
        generator.random_below(bound) as usize
    };
    let mut slugs: HashMap<String, Operation> = HashMap::new();
    for round in 0..30_000 {
        let text: String = if round % 2 == 0 {
            (0..1 + below(9))
                .map(|_| PIECES[below(PIECES.len())])
                .collect()
        } else {
            let depth = 1 + below(3);
            random_expression(&mut below, depth)
        };
        match Operation::parse(&text) {
            Err(error) => {
                assert!(
                    text.get(error.span.clone()).is_some(),
                    "{text:?}: {error:?}"
                );
                assert!(round % 2 == 0 || text.contains("if"), "{text}: {error}");
            }
            Ok(operation) => {
                let again = parse(operation.text());
                let expressions =
                    [&again, &operation].map(|operation| &formula(operation).expression);
                assert_eq!(expressions[0], expressions[1], "{text}");
                let slug = operation.slug();
                assert!(slug.len() <= LONGEST_SLUG && !slug.starts_with('-') && !slug.is_empty());
                assert!(
                    slug.chars()
                        .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')),
                    "{slug}"
                );
                let _ = operation.check(6);
                let first = slugs.entry(slug).or_insert_with(|| operation.clone());
                assert_eq!(*first, operation, "{text}");
            }
        }
    }
    assert!(
        slugs.len() > 3000,
        "only {} different expressions",
        slugs.len()
    );
}
