//! Reads the table `train.stop`: what ends the training of a cell before its last epoch.

use crate::axis::Point as _;
use crate::document::Node;
use crate::field::{Field, Reader};
use crate::keys;
use crate::number::{Integer, Number};
use crate::table::{Section, Table};
use crate::written::Written;

/// The rules that end the training of a cell before its last epoch; the first rule that is met
/// counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stop {
    /// Ends a cell that has grokked and stays grokked.
    pub success: Option<Success>,
    /// Ends a cell that has not even memorised.
    pub confused: Option<Confused>,
    /// Ends a cell at a number of epochs that depends on when the cell memorised.
    pub budget: Option<Budget>,
}

/// Ends a cell once its test accuracy has been high enough for long enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// The accuracy that is high enough, above 0 and at most 1.
    pub test_accuracy: f64,
    /// The number of epochs in a row, at least 1.
    pub patience: u64,
}

/// Ends a cell after a number of epochs if the train accuracy has never been high enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Confused {
    /// The accuracy that is high enough, above 0 and at most 1.
    pub train_accuracy: f64,
    /// The number of epochs, at least 1.
    pub by: u64,
}

/// Ends a cell after a number of epochs. A cell that has memorised by then and has not grokked ends
/// after `times` the epochs until it memorised, if these are more.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The number of epochs of a cell that has not memorised, or has grokked; at least 1.
    pub epochs: u64,
    /// The number of epochs of a cell that has memorised and not grokked, in units of the epochs
    /// until it memorised; at least 1.
    pub times: f64,
}

impl Stop {
    /// Reads the table. A rule that lacks a number is reported and left out.
    pub(crate) fn read(node: Option<&Node>, reader: &mut Reader<'_>) -> Stop {
        let Some(node) = node else {
            return Stop::default();
        };
        let section = Section::open(&keys::STOP, Some(node), reader);
        let mut rules = Stop {
            success: None,
            confused: part(&section, &keys::CONFUSED, reader).and_then(|part| {
                let train_accuracy = real(&part, &keys::CONFUSED_ACCURACY, reader)?;
                let by = whole(&part, &keys::CONFUSED_BY, reader)?;
                Some(Confused { train_accuracy, by })
            }),
            budget: part(&section, &keys::BUDGET, reader).and_then(|part| {
                let epochs = whole(&part, &keys::BUDGET_EPOCHS, reader)?;
                let times = real(&part, &keys::BUDGET_TIMES, reader)?;
                Some(Budget { epochs, times })
            }),
        };
        let given = |field: &dyn Field| section.node(field).is_some();
        let both = [given(&keys::TEST_ACCURACY), given(&keys::PATIENCE)];
        let others = given(&keys::CONFUSED) || given(&keys::BUDGET);
        match both {
            [true, true] => {
                let test_accuracy = real(&section, &keys::TEST_ACCURACY, reader);
                let patience = whole(&section, &keys::PATIENCE, reader);
                rules.success = test_accuracy
                    .zip(patience)
                    .map(|(accuracy, patience)| Success {
                        test_accuracy: accuracy,
                        patience,
                    });
            }
            [false, false] if others => {}
            [accuracy, patience] => {
                let missing = match (accuracy, patience) {
                    (true, _) => "missing key `train.stop.patience`",
                    (_, true) => "missing key `train.stop.test_accuracy`",
                    _ => "`train.stop` has no rule",
                };
                // A wrong type has been reported already.
                if section.span().is_some() {
                    let diagnostic = reader.report.missing(node.span, missing.to_owned());
                    diagnostic
                        .label("expected here")
                        .add_help("for example: stop = { test_accuracy = 0.99, patience = 1000 }")
                        .add_help("or: stop = { confused = { train_accuracy = 0.5, by = 5000 } }");
                }
            }
        }
        rules
    }

    /// Writes the table.
    pub(crate) fn write(&self, out: &mut Written) {
        if *self == Stop::default() {
            return out.comment("stop is not set: all epochs are trained");
        }
        out.header(&keys::STOP);
        if let Some(rule) = &self.success {
            out.line(&keys::TEST_ACCURACY, &rule.test_accuracy.toml());
            out.line(&keys::PATIENCE, &rule.patience.to_string());
        }
        if let Some(Confused { train_accuracy, by }) = &self.confused {
            let accuracy = train_accuracy.toml();
            let rule = format!("{{ train_accuracy = {accuracy}, by = {by} }}");
            out.line(&keys::CONFUSED, &rule);
        }
        if let Some(Budget { epochs, times }) = &self.budget {
            let rule = format!("{{ epochs = {epochs}, times = {} }}", times.toml());
            out.line(&keys::BUDGET, &rule);
        }
    }

    /// Returns whether a key belongs to one of the rules.
    pub(crate) fn has_key(key: &str) -> bool {
        let mut own = keys::STOP.fields.iter();
        own.any(|field| field.path() == key)
    }
}

/// Opens a table within the table, if the spec has it.
fn part<'d>(
    section: &Section<'d>,
    table: &'static Table,
    reader: &mut Reader<'_>,
) -> Option<Section<'d>> {
    let node = section.node(table)?;
    let part = Section::open(table, Some(node), reader);
    part.span().is_some().then_some(part)
}

fn real(section: &Section<'_>, field: &Number, reader: &mut Reader<'_>) -> Option<f64> {
    field.check(field.path(), section.node(field)?, reader)
}

fn whole(section: &Section<'_>, field: &Integer, reader: &mut Reader<'_>) -> Option<u64> {
    field.check(section.node(field)?, reader)
}
