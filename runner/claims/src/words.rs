//! Claims in words and as JSON, alike on terminals and pages.

use grokrun_spec::{
    At, Claim, Condition, Event, Expected, Measure, Metric, Over, Quantity, Range, Tolerance,
};
use serde_json::{Value, json};

use crate::known::Known;
use crate::{Measured, Verdict, Verified};

/// Significant digits of what was measured; JSON has all of them.
const DIGITS: usize = 6;

impl Verified {
    /// What is claimed: as the spec says it, or the quantity in words.
    pub fn title(&self) -> String {
        let claim = &self.claim;
        claim.says.clone().unwrap_or_else(|| described(claim))
    }

    /// The value that was published, with its tolerance or bounds.
    pub fn published(&self) -> String {
        match self.claim.expected {
            Expected::Near {
                published,
                tolerance,
            } => {
                let far = match tolerance {
                    Tolerance::Absolute(0.0) => return exact(published),
                    Tolerance::Absolute(far) => exact(far),
                    Tolerance::Relative(share) => format!("{} %", number(100.0 * share)),
                };
                format!("{} ± {far}", exact(published))
            }
            Expected::Within { range, published } => match published {
                Some(published) => format!("{} ({})", exact(published), bounds(range)),
                None => bounds(range),
            },
        }
    }

    /// What was measured; a dash where nothing was.
    pub fn measured(&self) -> String {
        match self.measured {
            None => "-".to_owned(),
            Some(Measured::One(one)) => known(one),
            Some(Measured::Each(least, most)) if least == most => known(least),
            Some(Measured::Each(least, most)) => format!("{} … {}", known(least), known(most)),
        }
    }

    /// All of it. A bound that is infinite, and so none, is null.
    pub fn to_json(&self) -> Value {
        let [low, high] = self.claim.expected.ends();
        let ends = |known: Known| json!([known.low, known.high]);
        let published = match self.claim.expected {
            Expected::Near { published, .. } => Some(published),
            Expected::Within { published, .. } => published,
        };
        let mut object = json!({
            "source": self.claim.source,
            "claim": self.title(),
            "quantity": described(&self.claim),
            "cells": self.cells,
            "published": published,
            "allowed": [low, high],
            "measured": match self.measured {
                None => Value::Null,
                Some(Measured::One(one)) => ends(one),
                Some(Measured::Each(least, most)) => json!([least.low, most.high]),
            },
            "verdict": self.verdict.word(),
        });
        if let Verdict::NotEvaluated(why) = &self.verdict {
            object["reason"] = why.as_str().into();
        }
        object
    }
}

impl Verdict {
    /// The verdict in a few words.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::DoesNotHold => "does not hold",
            Verdict::NotEvaluated(_) => "not evaluated",
        }
    }
}

/// Counts claims in a sentence.
pub fn counted(all: &[Verified]) -> String {
    let count = |word: &str| all.iter().filter(|v| v.verdict.word() == word).count();
    let holds = count(Verdict::Holds.word());
    let mut text = match all.len() {
        1 => format!("{holds} of 1 claim holds"),
        many => format!("{holds} of {many} claims hold"),
    };
    for (word, one, more) in [
        (Verdict::DoesNotHold.word(), "does not", "do not"),
        (
            "not evaluated",
            "cannot be evaluated",
            "cannot be evaluated",
        ),
    ] {
        match count(word) {
            0 => {}
            1 => text.push_str(&format!(", 1 {one}")),
            many => text.push_str(&format!(", {many} {more}")),
        }
    }
    text
}

fn described(claim: &Claim) -> String {
    let mut text = match (&claim.quantity, claim.over) {
        (Quantity::Share(condition), _) => share(condition),
        (Quantity::Of(measure), Over::Each) => of(measure),
        (Quantity::Of(measure), Over::Median) => format!("median of the {}", of(measure)),
        (Quantity::Of(measure), Over::Mean) => format!("mean of the {}", of(measure)),
        (Quantity::Of(measure), Over::Min) => format!("smallest {}", of(measure)),
        (Quantity::Of(measure), Over::Max) => format!("largest {}", of(measure)),
    };
    if let Some(cells) = &claim.cells {
        text.push_str(&format!(", where {cells}"));
    }
    if let Some(cells) = &claim.against {
        text.push_str(&format!(", divided by that where {cells}"));
    }
    text
}

fn share(condition: &Condition) -> String {
    match (&condition.measure, condition.range) {
        (Measure::Event { event, .. }, None) => {
            let verb = match event {
                Event::Memorised => "memorised",
                Event::Grokked | Event::Delay => "grokked",
            };
            let settings = settings(&condition.measure);
            format!("share of cells that {verb}{settings}")
        }
        (measure, range) => {
            let range = range.map(bounds).unwrap_or_default();
            format!("share of cells with {} {range}", of(measure))
        }
    }
}

fn of(measure: &Measure) -> String {
    match measure {
        Measure::Metric { metric, at } => format!("{} {}", self::metric(*metric), place(*at)),
        Measure::Series { analysis, name, at } => format!("{name} ({analysis}) {}", place(*at)),
        Measure::Event { event, .. } => {
            let what = match event {
                Event::Memorised => "epoch of memorising",
                Event::Grokked => "epoch of grokking",
                Event::Delay => "epochs from memorising to grokking",
            };
            format!("{what}{}", settings(measure))
        }
    }
}

/// By what an event is told, where that is not what the summary tells it by.
fn settings(measure: &Measure) -> String {
    use grokrun_store::{ACCURACY, HOLD};
    match measure {
        Measure::Event { accuracy, hold, .. } if (*accuracy, *hold) != (ACCURACY, HOLD) => {
            let accuracy = number(100.0 * accuracy);
            match hold {
                0 => format!(" ({accuracy} % once)"),
                _ => format!(" ({accuracy} % for {hold} epochs)"),
            }
        }
        _ => String::new(),
    }
}

pub(crate) fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::TrainLoss => "train loss",
        Metric::TestLoss => "test loss",
        Metric::TrainAccuracy => "train accuracy",
        Metric::TestAccuracy => "test accuracy",
    }
}

pub(crate) fn place(at: At) -> String {
    match at {
        At::Epoch(epoch) => format!("in epoch {epoch}"),
        At::Last => "at the end".to_owned(),
        At::Min => "at its smallest".to_owned(),
        At::Max => "at its largest".to_owned(),
    }
}

fn bounds(range: Range) -> String {
    match (range.at_least, range.at_most) {
        (Some(least), Some(most)) => format!("{} … {}", exact(least), exact(most)),
        (Some(least), None) => format!("≥ {}", exact(least)),
        (None, Some(most)) => format!("≤ {}", exact(most)),
        (None, None) => String::new(),
    }
}

fn known(known: Known) -> String {
    match (known.number(), known.high.is_finite()) {
        (Some(one), _) => number(one),
        (None, true) => format!("{} … {}", number(known.low), number(known.high)),
        (None, false) => format!("≥ {}", number(known.low)),
    }
}

/// A number with a few digits.
pub(crate) fn number(x: f64) -> String {
    let short = format!("{x:.*e}", DIGITS - 1);
    exact(short.parse().unwrap_or(x))
}

/// A number with as many digits as it has.
fn exact(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        1e-3..1e9 => format!("{x}"),
        _ => format!("{x:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.998_937_300_7, "0.998937"),
            (1.010_647_276e-3, "0.00101065"),
            (8.115e-4, "8.115e-4"),
            (-1499.0, "-1499"),
            (1_000_000.0, "1000000"),
            (2.5e12, "2.5e12"),
        ];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
    }
}
