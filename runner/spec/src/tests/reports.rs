//! Compares the whole report of a wrong spec, as people read it, with a text file.
//!
//! Each file in `reports/` holds cases: `=== title`, the spec, any number of `--- set key=value`,
//! and after `--- report` the expected report.

use super::*;

struct Case {
    title: String,
    spec: String,
    sets: Vec<String>,
    report: String,
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_report = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            in_report = false;
            cases.push(Case {
                title: title.to_owned(),
                spec: String::new(),
                sets: Vec::new(),
                report: String::new(),
            });
            continue;
        }
        let case = cases
            .last_mut()
            .expect("a file begins with the title of a case");
        if let Some(set) = line.strip_prefix("--- set ") {
            case.sets.push(set.to_owned());
        } else if line == "--- report" {
            in_report = true;
        } else {
            let part = if in_report {
                &mut case.report
            } else {
                &mut case.spec
            };
            part.push_str(line);
            part.push('\n');
        }
    }
    cases
}

fn print(cases: &[Case]) -> String {
    let print = |case: &Case| {
        let sets: String = case
            .sets
            .iter()
            .map(|set| format!("--- set {set}\n"))
            .collect();
        format!(
            "=== {}\n{}{sets}--- report\n{}\n",
            case.title,
            case.spec,
            case.report.trim_end()
        )
    };
    cases.iter().map(print).collect::<Vec<_>>().join("\n")
}

/// Compares every case of the file with the present report; the file has at least `least` cases.
#[track_caller]
fn compare(file: &str, least: usize) {
    let path = repository("runner/spec/src/tests/reports").join(file);
    let text = std::fs::read_to_string(&path).expect("the cases can be read");
    let mut cases = parse(&text);
    assert!(cases.len() >= least, "{file} has {} cases", cases.len());
    let mut different = Vec::new();
    for case in &mut cases {
        let sets: Vec<&str> = case.sets.iter().map(String::as_str).collect();
        let report = match load_with(&case.spec, &sets) {
            Ok(_) => "no mistakes\n".to_owned(),
            Err(mistakes) => mistakes.render(false),
        };
        if report.trim_end() != case.report.trim_end() {
            different.push(format!(
                "=== {}\n--- expected\n{}\n--- shown\n{report}",
                case.title, case.report
            ));
        }
        case.report = report;
    }
    if updating() {
        std::fs::write(&path, print(&cases)).expect("the cases can be written");
        return;
    }
    assert!(
        different.is_empty(),
        "{file}\n{}\n{HOW_TO_UPDATE}",
        different.join("\n")
    );
}

#[test]
fn syntax() {
    compare("syntax.txt", 14);
}

#[test]
fn keys() {
    compare("keys.txt", 10);
}

#[test]
fn values() {
    compare("values.txt", 10);
}

#[test]
fn operations() {
    compare("operations.txt", 8);
}

#[test]
fn axes() {
    compare("axes.txt", 6);
}

#[test]
fn overrides() {
    compare("overrides.txt", 12);
}

#[test]
fn claims() {
    compare("claims.txt", 6);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let mistakes = load_with("operation = 5", &["modulus=1"]).expect_err("both are wrong");
    let coloured = mistakes.render(true);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    assert_eq!(plain + rest, mistakes.render(false));
}

#[test]
fn a_file_full_of_mistakes_is_cut_short() {
    let text: String = (0..80).map(|number| format!("key{number} = 1\n")).collect();
    let mistakes = load_with(&text, &[]).expect_err("none of these is a key");
    assert_eq!(mistakes.iter().len(), 82);
    let shown = mistakes.render(false);
    assert_eq!(shown.matches("error: ").count(), 50);
    assert!(shown.ends_with("… and 32 more\n"), "{shown}");
}
