//! Tests that any text gives a plan or a report, and never a panic.

use super::*;

/// SplitMix64 (Steele, Lea and Flood 2014): a fixed sequence suffices here.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const SPEC: &str = r#"# a comment
name = "all"
operation = ["mul", "a^2 + a*b", 'a/b if b odd else a - b']
modulus = [5, 7]
fraction = 0.5
seeds = { data = { start = 0, count = 2 }, model = [1, 2], stream = "torch" }
[model]
heads = 4
activation = "relu"
[train]
epochs = 1_000
learning_rate = [1e-3, 1e-4]
betas = [0.9, 0.98]
stop = { test_accuracy = 0.99, patience = 10 }
[checkpoints]
every = 100
[[claim]]
source = "x"
quantity = { metric = "test_loss", at = "min" }
where = { modulus = 5 }
published = 1e-3
relative = 0.5
[analysis.x]
"#;

const BITS: [&str; 44] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "=",
    "==",
    ",",
    ".",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\\",
    "\\u00e9",
    "\0",
    "\u{7f}",
    "é",
    "💥",
    "\u{301}",
    "\u{202e}",
    "\u{feff}",
    "nan",
    "-inf",
    "0",
    "-1",
    "1e999",
    "0x",
    "0xff",
    "99999999999999999999999999999999999999999",
    "65535",
    "true",
    "1979-05-27",
    "a",
    "[[train]]",
    "[train.stop]",
    "seeds.model.start = 1\n",
    "/ 0",
    "(",
    "^",
];

/// Returns `text` with a few parts deleted, inserted, repeated or exchanged.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(6) {
        let boundary = |at: usize| text.floor_char_boundary(at);
        let from = boundary(random.below(text.len() + 1));
        let to = text.ceil_char_boundary((from + random.below(9)).min(text.len()));
        match random.below(6) {
            0 => text.replace_range(from..to, ""),
            1 => text.insert_str(from, random.pick(&BITS)),
            2 => text.replace_range(from..to, random.pick(&BITS)),
            3 => text.insert_str(from, &text[from..to].repeat(3)),
            4 => text.truncate(from),
            _ => {
                let mut lines: Vec<&str> = text.lines().collect();
                let (one, other) = (random.below(lines.len()), random.below(lines.len()));
                if !lines.is_empty() {
                    lines.swap(one, other);
                }
                text = lines.join("\n");
            }
        }
    }
    text
}

/// Loads a spec, and renders a mistake; a plan must survive resolving.
fn exercise(text: &str, overrides: &[&str]) -> bool {
    match load_with(text, overrides) {
        Ok(plan) => {
            assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan, "{text}");
            true
        }
        Err(mistakes) => {
            assert!(mistakes.iter().len() > 0);
            assert!(mistakes.render(false).starts_with("error: "));
            assert!(mistakes.render(true).len() > mistakes.render(false).len());
            for mistake in mistakes.iter() {
                assert!(!mistake.message.is_empty());
            }
            false
        }
    }
}

#[test]
fn broken_specs_are_reported() {
    let mut random = Random(598);
    let without_analysis = SPEC.replace("[analysis.x]\n", "");
    let mut taken = 0;
    for round in 0..4_000 {
        let base = if round % 2 == 0 {
            SPEC
        } else {
            &without_analysis
        };
        taken += usize::from(exercise(&mutated(base, &mut random), &[]));
    }
    // Some mutations hit a comment or give another valid spec; most must not.
    assert!((1..2_000).contains(&taken), "{taken}");
}

#[test]
fn broken_overrides_are_reported() {
    let mut random = Random(999);
    let sets = [
        "modulus=59",
        "train.epochs=500",
        "seeds.model=[1, 2]",
        "operation=a^2 + b",
        "seeds={ data = 1 }",
        "name=foo",
    ];
    for _ in 0..2_000 {
        let one = mutated(random.pick(&sets), &mut random);
        let other = mutated(random.pick(&sets), &mut random);
        exercise(SMALLEST, &[&one, &other]);
    }
}

#[test]
fn noise_is_reported() {
    let mut random = Random(1);
    for _ in 0..1_000 {
        let length = random.below(80);
        let text: String = (0..length).map(|_| random.pick(&BITS)).collect();
        exercise(&text, &[]);
    }
}

#[test]
fn large_files_are_reported() {
    for text in [
        "x\n".repeat(200_000),
        "[".repeat(100_000),
        "a=1,".repeat(100_000),
        "{".repeat(100_000),
        "x = [".to_owned() + &"1, x ".repeat(100_000),
        "k".repeat(1_000_000) + " = 1",
    ] {
        exercise(&text, &[]);
    }
    let seeds: Vec<String> = (0..100_001).map(|seed| seed.to_string()).collect();
    exercise(
        &SMALLEST.replace("999", &format!("[{}]", seeds.join(","))),
        &[],
    );
}
