//! Records findings.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Ask, Failure, Finding, Formula, LossAt, Sink, TrainLoss};

/// Holds the findings of an analysis, and the numbers that it keeps.
#[derive(Debug, Default)]
pub struct Recorder {
    /// the findings, in the order in which they came
    pub findings: Vec<Finding>,
    /// the numbers that are kept between calls, by name
    pub kept: BTreeMap<String, Vec<f32>>,
    /// the train loss that the analysis is given, if it is given one
    pub loss: Option<Box<dyn TrainLoss>>,
}

impl Sink for Recorder {
    fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure> {
        if numbers.is_empty() {
            self.kept.remove(name)
        } else {
            self.kept.insert(name.to_owned(), numbers.to_vec())
        };
        Ok(())
    }

    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure> {
        Ok(self.kept.get(name).cloned().unwrap_or_default())
    }

    fn train_loss(&mut self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        self.loss
            .as_ref()
            .ok_or_else(Failure::no_train_loss)?
            .at(ask)
    }
}

impl Recorder {
    /// Returns the values of a series, in order.
    pub fn series(&self, name: &str) -> Vec<f64> {
        let value = |finding: &Finding| match finding {
            Finding::Scalar { series, value } if series == name => Some(*value),
            _ => None,
        };
        self.findings.iter().filter_map(value).collect()
    }

    /// Returns the last value of a series.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.series(name).last().copied()
    }

    /// Returns the last tensor of a name: shape and numbers.
    pub fn tensor(&self, wanted: &str) -> Option<(&[usize], &[f32])> {
        self.findings.iter().rev().find_map(|f| match f {
            Finding::Tensor { name, shape, data } if name == wanted => {
                Some((shape.as_slice(), data.as_slice()))
            }
            _ => None,
        })
    }

    /// Returns the rows of the last table of a name, each by column.
    pub fn table(&self, wanted: &str) -> Option<Vec<BTreeMap<String, Value>>> {
        self.findings.iter().rev().find_map(|f| match f {
            Finding::Table {
                name,
                columns,
                rows,
            } if name == wanted => {
                let named = |row: &Vec<Value>| columns.iter().cloned().zip(row.clone()).collect();
                Some(rows.iter().map(named).collect())
            }
            _ => None,
        })
    }

    /// Returns the last figure of a name.
    pub fn figure(&self, wanted: &str) -> Option<&Value> {
        self.findings.iter().rev().find_map(|f| match f {
            Finding::Figure { name, figure } if name == wanted => Some(figure),
            _ => None,
        })
    }

    /// Returns the last formula.
    pub fn formula(&self) -> Option<&Formula> {
        self.findings.iter().rev().find_map(|f| match f {
            Finding::Formula(formula) => Some(formula),
            _ => None,
        })
    }

    /// Returns all headlines.
    pub fn headlines(&self) -> Vec<&str> {
        let headlines = self.findings.iter().filter_map(|finding| match finding {
            Finding::Headline(text) => Some(text.as_str()),
            _ => None,
        });
        headlines.collect()
    }

    /// Returns all notes.
    pub fn notes(&self) -> Vec<&str> {
        self.findings.iter().filter_map(text_of).collect()
    }
}

fn text_of(finding: &Finding) -> Option<&str> {
    match finding {
        Finding::Note(text) => Some(text),
        _ => None,
    }
}
