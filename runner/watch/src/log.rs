//! The end of a run's logs: what was said last, a line each, in bounded memory.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use grokrun_store::open_file;
use serde_json::Value;

/// The most bytes of a log that one look reads; of more, the last ones.
const MOST_READ: u64 = 64 * 1024;
/// The most lines that are kept.
const MOST_LINES: usize = 200;
/// The longest line that is kept, in bytes.
const LONGEST: usize = 2000;

/// A line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// counts the lines; larger for later ones
    pub number: u64,
    /// `INFO`, `WARN` or `ERROR`
    pub level: String,
    /// when, as the log has it
    pub at: String,
    /// what, with the values of its fields
    pub text: String,
}

/// Follows the logs of a run.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// the bytes of each that were read
    read: BTreeMap<PathBuf, u64>,
    lines: VecDeque<Line>,
    next: u64,
}

impl Tail {
    /// Reads what was added to these logs. What cannot be read is left out: a log is no result.
    pub(crate) fn refresh(&mut self, logs: &[PathBuf]) {
        self.read.retain(|path, _| logs.contains(path));
        for path in logs {
            let from = self.read.get(path).copied();
            let Ok((text, read)) = added(path, from) else {
                continue;
            };
            self.read.insert(path.clone(), read);
            for line in text.split(|byte| *byte == b'\n') {
                self.take(line);
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        let Some((level, at, text)) = parse(line) else {
            return;
        };
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            number: self.next,
            level,
            at,
            text,
        });
        self.next += 1;
    }

    /// Returns the lines that are kept, the oldest first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.iter().cloned().collect()
    }

    /// Returns the number that the next line will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }
}

/// Returns the whole lines that come after `from` bytes of a log, and where the next look begins.
fn added(path: &Path, from: Option<u64>) -> io::Result<(Vec<u8>, u64)> {
    let mut file = open_file(path)?;
    let length = file.metadata()?.len();
    // A log that is shorter than it was is another one.
    let from = from.filter(|from| *from <= length).unwrap_or(0);
    let start = from.max(length.saturating_sub(MOST_READ));
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(MOST_READ).read_to_end(&mut text)?;
    let end = match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        // Longer than all that is read: it is skipped.
        None if text.len() as u64 == MOST_READ => text.len(),
        None => 0,
    };
    text.truncate(end);
    Ok((text, start + end as u64))
}

/// Returns level, time and words of a line; none of what tells of details, or is torn.
fn parse(line: &[u8]) -> Option<(String, String, String)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let word = |key: &str| Some(value[key].as_str()?.to_owned());
    let level = word("level")?;
    if !["INFO", "WARN", "ERROR"].contains(&level.as_str()) {
        return None;
    }
    let fields = value["fields"].as_object()?;
    let mut text = fields
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    for (key, value) in fields.iter().filter(|(key, _)| *key != "message") {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => short(number),
            other => other.to_string(),
        };
        text.push_str(&format!("  {key} {value}"));
    }
    text.truncate(text.floor_char_boundary(LONGEST));
    Some((level, word("timestamp")?, text))
}

/// Formats a number as short as a line needs it.
fn short(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(x) if number.is_f64() => format!("{x:.4}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn line(level: &str, message: &str) -> String {
        format!(
            "{{\"timestamp\":\"2026-01-01T00:00:00Z\",\"level\":\"{level}\",\"fields\":{{\"message\":\"{message}\",\"cell\":\"c\",\"seconds\":1.23456}}}}\n"
        )
    }

    fn texts(tail: &Tail) -> Vec<String> {
        tail.lines().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_taken_once_and_whole_and_details_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let text = [
            line("INFO", "one"),
            line("DEBUG", "two"),
            line("WARN", "three"),
        ]
        .concat();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (mut tail, logs) = (Tail::default(), [path.clone()]);
        tail.refresh(&logs);
        assert_eq!(texts(&tail), ["one  cell c  seconds 1.2346"]);
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        file.write_all(&text.as_bytes()[text.len() - 5..]).unwrap();
        tail.refresh(&logs);
        tail.refresh(&logs);
        assert_eq!(texts(&tail).len(), 2);
        assert_eq!((tail.lines()[1].number, tail.next()), (1, 2));
        // Another run's, in its place.
        fs::write(&path, line("INFO", "anew")).unwrap();
        tail.refresh(&logs);
        assert_eq!(texts(&tail).len(), 3);
    }

    #[test]
    fn a_long_log_takes_no_more_than_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        fs::write(&path, line("INFO", "x").repeat(20_000)).unwrap();
        let mut tail = Tail::default();
        tail.refresh(std::slice::from_ref(&path));
        assert_eq!(tail.lines().len(), MOST_LINES);
        let long = format!("{}\n", "y".repeat(300_000));
        fs::write(&path, [long, line("INFO", "after")].concat()).unwrap();
        tail.refresh(&[path]);
        assert!(texts(&tail).last().unwrap().starts_with("after"));
    }
}
