//! Collects the findings of one analysis for one cell, within bounds.
//!
//! Tensors, tables and figures are kept as the bytes that they will be on disk, in a [`Scratch`],
//! so that they take no more memory the longer a cell trains. The numbers that the analysis keeps
//! for its later calls are here too.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use grokrun_api::{Ask, Failure, Finding, Formula, LossAt, Sink, TrainLoss};
use serde_json::{Value, json};

use crate::scratch::{Kept, Scratch};
use crate::stash::{Stash, bytes_of};

/// The most bytes of findings that an analysis may have for one cell.
const MOST_BYTES: u64 = 1 << 30;
/// The longest name of a series, tensor, table or figure.
const LONGEST_NAME: usize = 100;
/// The most notes of an analysis for one cell.
const MOST_NOTES: usize = 1000;
/// The most headlines of an analysis for one cell: a first screen has no room for more.
const MOST_HEADLINES: usize = 8;

/// Holds scalars over epochs, one column a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// epochs of the snapshots at which a scalar was found, ascending
    pub epochs: Vec<u64>,
    /// columns by name, one value an epoch, NaN where none was found
    pub columns: BTreeMap<String, Vec<f64>>,
}

/// Holds the tensors of one name.
#[derive(Debug)]
pub struct Stack {
    /// epochs of the snapshots that the tensors are from; none for the single tensor of `finish`
    pub epochs: Option<Vec<u64>>,
    /// shape of each tensor, outermost dimension first
    pub shape: Vec<usize>,
    /// the tensors one after the other, float32, little-endian
    pub data: Kept,
}

/// Holds all findings of an analysis for one cell.
#[derive(Debug, Default)]
pub struct Findings {
    /// scalars over epochs
    pub series: Series,
    /// tensors by name
    pub tensors: BTreeMap<String, Stack>,
    /// tables by name, each a line of JSON: `{"columns": […], "rows": […]}`
    pub tables: BTreeMap<String, Kept>,
    /// figures by name, each a line of JSON as Plotly has it
    pub figures: BTreeMap<String, Kept>,
    /// notes in the order in which they came, each once
    pub notes: Vec<String>,
    /// outcomes in a sentence each, in the order in which they came, each once
    pub headlines: Vec<String>,
    /// what the logits are proportional to, as it was said last
    pub formula: Option<Formula>,
}

/// Takes findings, and remembers why it refused the first that it could not take.
#[derive(Debug)]
pub(crate) struct Collector {
    findings: Findings,
    stash: Stash,
    scratch: Scratch,
    /// epoch of the snapshot that is shown; none while the analysis finishes
    epoch: Option<u64>,
    bytes: u64,
    refused: Option<String>,
    /// the cell's train loss, if the analysis needs it
    loss: Option<Arc<dyn TrainLoss>>,
}

impl Collector {
    pub(crate) fn new(scratch: &Scratch) -> Collector {
        Collector {
            findings: Findings::default(),
            stash: Stash::default(),
            scratch: scratch.clone(),
            epoch: None,
            bytes: 0,
            refused: None,
            loss: None,
        }
    }

    /// Computes the train loss by this from now on.
    pub(crate) fn set_loss(&mut self, loss: Arc<dyn TrainLoss>) {
        self.loss = Some(loss);
    }

    /// Sets the epoch that the next findings belong to; none for the whole training.
    pub(crate) fn at(&mut self, epoch: Option<u64>) {
        self.epoch = epoch;
    }

    /// Returns why a finding was refused, if one was.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Returns the scalars found so far.
    pub(crate) fn series(&self) -> &Series {
        &self.findings.series
    }

    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    fn take(&mut self, finding: Finding) -> Result<(), String> {
        match finding {
            Finding::Scalar { series, value } => {
                self.count(16)?;
                self.scalar(series, value)
            }
            Finding::Tensor { name, shape, data } => {
                self.count(4 * data.len() as u64)?;
                self.tensor(name, shape, &data)
            }
            Finding::Table {
                name,
                columns,
                rows,
            } => {
                check_file(&name)?;
                if let Some(row) = rows.iter().find(|row| row.len() != columns.len()) {
                    return Err(format!(
                        "a row of table {name} has {} values; expected {}, one a column",
                        row.len(),
                        columns.len()
                    ));
                }
                let table = self.line(&json!({ "columns": columns, "rows": rows }))?;
                self.findings.tables.insert(name, table);
                Ok(())
            }
            Finding::Figure { name, figure } => {
                check_file(&name)?;
                if !figure.get("data").is_some_and(Value::is_array) {
                    return Err(format!(
                        "figure {name} has no traces; expected {{\"data\": […], \"layout\": {{…}}}}"
                    ));
                }
                let figure = self.line(&figure)?;
                self.findings.figures.insert(name, figure);
                Ok(())
            }
            Finding::Formula(formula) => {
                let keys: usize = formula.keys.iter().map(String::len).sum();
                let texts = formula.argument.len() + formula.explanation.len();
                self.count((keys + texts) as u64)?;
                self.findings.formula = Some(formula);
                Ok(())
            }
            Finding::Note(text) => {
                self.count(text.len() as u64)?;
                add_once(&mut self.findings.notes, text, MOST_NOTES, "notes")
            }
            Finding::Headline(text) => {
                self.count(text.len() as u64)?;
                let headlines = &mut self.findings.headlines;
                add_once(headlines, text, MOST_HEADLINES, "headlines")
            }
        }
    }

    /// Adds to the bytes of all findings.
    fn count(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_BYTES {
            Err(format!(
                "its findings for one cell exceed {} MB; emit less, or raise `every`",
                MOST_BYTES / 1_000_000
            ))
        } else {
            Ok(())
        }
    }

    /// Keeps a value as a line of JSON.
    fn line(&mut self, value: &Value) -> Result<Kept, String> {
        let mut line = self.scratch.keep();
        serde_json::to_writer(&mut line, value).map_err(|error| cannot_be_kept(&error.into()))?;
        line.write_all(b"\n")
            .map_err(|error| cannot_be_kept(&error))?;
        self.count(line.len())?;
        Ok(line)
    }

    fn scalar(&mut self, name: String, value: f64) -> Result<(), String> {
        let Some(epoch) = self.epoch else {
            return Err(format!(
                "series {name} got a value after the last snapshot; expected scalars from observe, and tables from finish"
            ));
        };
        check_line(&name)?;
        let series = &mut self.findings.series;
        if series.epochs.last() != Some(&epoch) {
            series.epochs.push(epoch);
            series
                .columns
                .values_mut()
                .for_each(|column| column.push(f64::NAN));
        }
        let count = series.epochs.len();
        let column = series
            .columns
            .entry(name)
            .or_insert_with(|| vec![f64::NAN; count]);
        column[count - 1] = value;
        Ok(())
    }

    fn tensor(&mut self, name: String, shape: Vec<usize>, data: &[f32]) -> Result<(), String> {
        check_line(&name)?;
        let count = shape
            .iter()
            .try_fold(1usize, |n, size| n.checked_mul(*size));
        if count != Some(data.len()) {
            return Err(format!(
                "tensor {name} has {} numbers, which is not the product of its shape {shape:?}",
                data.len()
            ));
        }
        let stacks = &mut self.findings.tensors;
        if self.epoch.is_none() {
            // A tensor from `finish` replaces all tensors of that name from `observe`.
            stacks.remove(&name);
        }
        let stack = stacks.entry(name.clone()).or_insert_with(|| Stack {
            epochs: self.epoch.map(|_| Vec::new()),
            shape: shape.clone(),
            data: self.scratch.keep(),
        });
        if let (Some(epoch), Some(epochs)) = (self.epoch, &mut stack.epochs) {
            if stack.shape != shape {
                return Err(format!(
                    "tensor {name} is {shape:?} at epoch {epoch} and was {:?} before; expected one shape for all snapshots",
                    stack.shape
                ));
            }
            if epochs.last() == Some(&epoch) {
                return Err(format!("tensor {name} came twice at epoch {epoch}"));
            }
            epochs.push(epoch);
        }
        stack.data.write_all(&bytes_of(data)).map_err(|error| {
            // The stack may have grown by a part of this tensor.
            self.findings.tensors.remove(&name);
            cannot_be_kept(&error)
        })
    }

    /// Passes on a success; remembers a refusal, since the analysis then fails.
    fn or_refused<T>(&mut self, done: Result<T, String>) -> Result<T, Failure> {
        done.map_err(|why| {
            self.refused.get_or_insert_with(|| why.clone());
            Failure::new(why)
        })
    }
}

/// Says that a finding cannot be written.
fn cannot_be_kept(error: &io::Error) -> String {
    format!("its findings cannot be kept beside the run: {error}")
}

/// Adds a sentence that is not there yet.
fn add_once(all: &mut Vec<String>, text: String, most: usize, what: &str) -> Result<(), String> {
    if all.contains(&text) {
        return Ok(());
    }
    if all.len() == most {
        return Err(format!("it made more than {most} {what}"));
    }
    all.push(text);
    Ok(())
}

impl Sink for Collector {
    fn push(&mut self, finding: Finding) {
        if self.refused.is_none() {
            self.refused = self.take(finding).err();
        }
    }

    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure> {
        let done = check_line(name).and_then(|()| self.stash.put(&self.scratch, name, numbers));
        self.or_refused(done)
    }

    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure> {
        let done = self.stash.get(name);
        self.or_refused(done)
    }

    fn train_loss(&mut self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let done = match &self.loss {
            Some(loss) => loss.at(ask),
            None => Err(Failure::no_train_loss()),
        };
        self.or_refused(done.map_err(|why| why.to_string()))
    }
}

/// Checks the name of a series, a tensor or kept numbers: any line of text will do, since it
/// becomes a column or a key.
fn check_line(name: &str) -> Result<(), String> {
    let fits = !name.trim().is_empty() && name.len() <= LONGEST_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!(
        "{:?} is no name for numbers; expected a line of at most {LONGEST_NAME} bytes",
        shown(name)
    ))
}

/// Checks the name of a table or a figure, which becomes a file's name.
fn check_file(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with('.');
    if fits && name.chars().all(good) {
        return Ok(());
    }
    Err(format!(
        "{:?} is no name for a table or figure; expected at most {LONGEST_NAME} letters, digits, -, _ and ., the first not a dot",
        shown(name)
    ))
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use grokrun_api::Sink;

    use super::*;

    fn collector() -> Collector {
        Collector::new(&Scratch::new(&std::env::temp_dir()))
    }

    fn read(kept: Kept) -> Vec<u8> {
        let mut bytes = Vec::new();
        kept.into_reader().read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn with(at: Option<u64>, say: impl FnOnce(&mut dyn Sink)) -> Collector {
        let mut collector = collector();
        collector.at(at);
        say(&mut collector);
        collector
    }

    #[test]
    fn a_series_has_a_value_or_nan_for_every_epoch() {
        let mut collector = collector();
        for (epoch, name) in [(0, "x"), (100, "y"), (200, "x")] {
            collector.at(Some(epoch));
            let sink: &mut dyn Sink = &mut collector;
            sink.scalar(name, epoch as f64);
        }
        assert_eq!(collector.refused(), None);
        let series = collector.into_findings().series;
        assert_eq!(series.epochs, [0, 100, 200]);
        let shown = format!("{:?}", series.columns);
        assert_eq!(shown, r#"{"x": [0.0, NaN, 200.0], "y": [NaN, 100.0, NaN]}"#);
    }

    #[test]
    fn tensors_are_stacked_and_keep_their_shape() {
        let mut collector = collector();
        for epoch in [0, 100] {
            collector.at(Some(epoch));
            let sink: &mut dyn Sink = &mut collector;
            sink.tensor("t", &[2], [epoch as f32, 1.0]);
        }
        let sink: &mut dyn Sink = &mut collector;
        sink.tensor("t", &[3], [1.0; 3]);
        assert!(collector.refused().unwrap().contains("[3]"));
        let stack = collector.into_findings().tensors.remove("t").unwrap();
        assert_eq!((stack.epochs, stack.shape), (Some(vec![0, 100]), vec![2]));
        let want = [0f32, 1.0, 100.0, 1.0].map(f32::to_le_bytes);
        assert_eq!(read(stack.data), want.as_flattened());
    }

    #[test]
    fn of_two_with_one_name_the_later_table_figure_or_last_tensor_stays() {
        let collector = with(None, |s| {
            for x in [1, 2] {
                s.table("table", &["a"], vec![vec![json!(x)]]);
                s.figure("figure", grokrun_api::Figure::new(&format!("{x}")));
                s.tensor("t", &[1], [x as f32]);
            }
        });
        assert_eq!(collector.refused(), None);
        let mut found = collector.into_findings();
        let table = read(found.tables.remove("table").unwrap());
        assert_eq!(table, b"{\"columns\":[\"a\"],\"rows\":[[2]]}\n");
        let figure = read(found.figures.remove("figure").unwrap());
        assert!(
            String::from_utf8(figure)
                .unwrap()
                .contains("\"text\":\"2\"")
        );
        let stack = found.tensors.remove("t").unwrap();
        assert_eq!(stack.epochs, None);
        assert_eq!(read(stack.data), 2f32.to_le_bytes());
    }

    #[test]
    fn numbers_are_kept_between_looks_and_are_no_finding() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(&Scratch::new(folder.path()));
        for epoch in [0, 100, 200] {
            collector.at(Some(epoch));
            let sink: &mut dyn Sink = &mut collector;
            assert_eq!(sink.kept("x").unwrap().len() as u64, epoch / 100);
            let more = [sink.kept("x").unwrap(), vec![1.5]].concat();
            sink.keep("x", &more).unwrap();
        }
        assert_eq!(collector.refused(), None);
        let found = collector.into_findings();
        assert!(found.tensors.is_empty() && found.series.columns.is_empty());
    }

    #[test]
    fn what_cannot_be_kept_says_so() {
        let nowhere = Scratch::new(std::path::Path::new("/nowhere/at/all"));
        let mut collector = Collector::new(&nowhere);
        // The analysis fails even if it ignores this refusal.
        assert!(collector.keep("x", &[1.0]).is_err());
        assert!(collector.refused().unwrap().contains("cannot be kept"));
        let unnamed = with(Some(0), |s| assert!(s.keep(" ", &[1.0]).is_err()));
        assert!(unnamed.refused().is_some());
        let mut collector = Collector::new(&nowhere);
        let sink: &mut dyn Sink = &mut collector;
        sink.tensor("large", &[100_000], vec![0.0; 100_000]);
        let why = collector.refused().unwrap_or_default();
        assert!(why.contains("cannot be kept"), "{why}");
        assert!(collector.into_findings().tensors.is_empty());
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        let cases: [(&str, Collector); 7] = [
            ("../etc", with(Some(0), |s| s.table("../etc", &[], vec![]))),
            ("a\\nb", with(Some(0), |s| s.scalar("a\nb", 1.0))),
            (
                "wide",
                with(Some(0), |s| s.tensor("wide", &[2, 2], [1.0; 3])),
            ),
            (
                "huge",
                with(Some(0), |s| s.tensor("huge", &[usize::MAX, 2], [])),
            ),
            ("late", with(None, |s| s.scalar("late", 1.0))),
            (
                "rows",
                with(Some(0), |s| s.table("rows", &["a"], vec![vec![]])),
            ),
            (
                "picture",
                with(Some(0), |s| {
                    s.push(Finding::Figure {
                        name: "picture".to_owned(),
                        figure: json!([]),
                    });
                }),
            ),
        ];
        for (name, collector) in cases {
            let why = collector.refused().unwrap_or_default();
            assert!(why.contains(name), "{name}: {why}");
        }
    }

    #[test]
    fn endless_output_has_an_end() {
        let mut collector = collector();
        let sink: &mut dyn Sink = &mut collector;
        (0..2000).for_each(|i| sink.note(format!("note {i}")));
        assert_eq!(collector.findings.notes.len(), MOST_NOTES);
        assert!(collector.refused().unwrap().contains("1000 notes"));
        let mut collector = self::collector();
        let sink: &mut dyn Sink = &mut collector;
        (0..20).for_each(|i| sink.headline(format!("headline {}", i % 9)));
        assert_eq!(collector.findings.headlines.len(), MOST_HEADLINES);
        assert!(collector.refused().unwrap().contains("8 headlines"));
        let mut collector = with(Some(0), |_| {});
        collector.bytes = MOST_BYTES;
        let sink: &mut dyn Sink = &mut collector;
        sink.scalar("x", 1.0);
        assert!(collector.refused().unwrap().contains("MB"));
    }
}
