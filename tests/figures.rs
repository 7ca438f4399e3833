//! `BENCHMARKS.csv`: the figures of BENCHMARKS.md for programs, one line a cell of a table.
//!
//! Owns how a cell becomes a line. Knows nothing of what was measured: a new table is in the file
//! once `GROKRUN_UPDATE=1 cargo test --release --test integration figures` has written it.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../BENCHMARKS.md");
const FILE: &str = "BENCHMARKS.csv";
const HEAD: &str = "question,row,column,text,low,high\n";

/// A cell of a table as a line: the heading above the table, the row's label, the column's heading,
/// the text of the cell, and its number, or both numbers of a range.
struct Line {
    question: String,
    row: String,
    column: String,
    text: String,
}

impl Line {
    fn csv(&self) -> String {
        let [low, high] = range(&self.text).map_or([String::new(), String::new()], |range| {
            range.map(|x| x.to_string())
        });
        let texts = [&self.question, &self.row, &self.column, &self.text].map(|text| quoted(text));
        format!("{},{low},{high}\n", texts.join(","))
    }
}

/// Returns a field of a line, in quotes if it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Returns the number in a cell, twice, or the ends of `low – high`; a unit may follow, and nothing
/// else.
fn range(text: &str) -> Option<[f64; 2]> {
    let units = ["ms", "s", "MB", "MiB"];
    let numbers = match text.rsplit_once(' ') {
        Some((numbers, unit)) if units.contains(&unit) => numbers,
        _ => text,
    };
    let number = |text: &str| text.trim().replace(',', "").parse::<f64>().ok();
    let (low, high) = numbers.split_once(" – ").unwrap_or((numbers, numbers));
    Some([number(low)?, number(high)?])
}

/// Returns the cells of a row, without emphasis and code marks.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    let plain = |cell: &str| cell.replace("**", "").replace('`', "").trim().to_owned();
    inner.split('|').map(plain).collect()
}

/// Returns every figure of a page. The label of a row is the text of its first cells, up to the
/// first that holds a number; a label that is empty is that of the row above.
fn lines(page: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let (mut question, mut head, mut above) = (String::new(), Vec::new(), Vec::new());
    for line in page.lines() {
        if line.starts_with('#') {
            question = line.trim_start_matches('#').trim().to_owned();
        }
        if !line.starts_with('|') {
            head.clear();
            continue;
        }
        let mut row = cells(line);
        if head.is_empty() {
            (head, above) = (row, Vec::new());
            continue;
        }
        if row.iter().all(|cell| cell.chars().all(|c| c == '-')) {
            continue;
        }
        for (i, cell) in row.iter_mut().enumerate() {
            let filled = above.get(i).filter(|_| cell.is_empty() && labels(&head, i));
            if let Some(filled) = filled {
                *cell = String::clone(filled);
            }
        }
        let split = row.iter().skip(1).position(|cell| range(cell).is_some());
        let split = split.map_or(1, |at| at + 1);
        for (i, text) in row.iter().enumerate().skip(split) {
            if !text.is_empty() {
                found.push(Line {
                    question: question.clone(),
                    row: row[..split].join(", "),
                    column: head.get(i).cloned().unwrap_or_default(),
                    text: text.clone(),
                });
            }
        }
        above = row;
    }
    found
}

/// Returns whether a column has labels, which a row may inherit from the row above.
fn labels(head: &[String], column: usize) -> bool {
    let names = ["machine", "size"];
    head.get(column)
        .is_some_and(|name| names.contains(&name.as_str()))
}

fn csv(page: &str) -> String {
    let lines: String = lines(page).iter().map(Line::csv).collect();
    format!("{HEAD}{lines}")
}

#[test]
fn the_file_has_the_figures_of_the_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let expected = csv(PAGE);
    assert!(expected.lines().count() > 150, "{expected}");
    if std::env::var_os("GROKRUN_UPDATE").is_some() {
        fs::write(&path, &expected).expect("the file");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{FILE} differs from BENCHMARKS.md; GROKRUN_UPDATE=1 cargo test --release --test integration figures writes it"
    );
}

#[test]
fn a_cell_becomes_a_line() {
    let page = "## How fast?\n\n| machine | size | program | ms | min – max |\n| --- | --- | --- | --- | --- |\n\
                | Zen 4 | tiny | **grokrun** | **1,560** | 0.1 – 0.2 |\n| | | JAX, table | 12 MiB | not measured |\n";
    let expected = "How fast?,\"Zen 4, tiny, grokrun\",ms,\"1,560\",1560,1560\n\
                    How fast?,\"Zen 4, tiny, grokrun\",min – max,0.1 – 0.2,0.1,0.2\n\
                    How fast?,\"Zen 4, tiny, JAX, table\",ms,12 MiB,12,12\n\
                    How fast?,\"Zen 4, tiny, JAX, table\",min – max,not measured,,\n";
    assert_eq!(csv(page), format!("{HEAD}{expected}"));
}
