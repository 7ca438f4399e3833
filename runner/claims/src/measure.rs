//! A quantity of a cell as a number, by its history and its series.
//!
//! What cannot be measured is told in a sentence: what is missing, and what to do.

use std::collections::BTreeMap;

use grokrun_spec::{At, Condition, Event, Measure, Metric, Quantity};
use grokrun_store::{Crossing, FoundSeries, Metrics};

use crate::known::Known;
use crate::words;

/// The most epochs or names that a reason lists.
const LISTED: usize = 8;

/// What a cell has left, as far as claims speak of it.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// its losses and accuracies
    pub(crate) metrics: Metrics,
    /// the series of each analysis that is asked for, or why there are none
    pub(crate) series: BTreeMap<String, Result<FoundSeries, String>>,
}

/// The number that a cell has; of a share 1 where the cell counts and 0 where it does not.
///
/// # Errors
/// Why it has none.
pub(crate) fn quantity(quantity: &Quantity, cell: &History) -> Result<Known, String> {
    match quantity {
        Quantity::Of(measure) => number(measure, cell),
        Quantity::Share(condition) => Ok(match counts(condition, cell)? {
            Some(true) => Known::exactly(1.0),
            Some(false) => Known::exactly(0.0),
            None => Known {
                low: 0.0,
                high: 1.0,
            },
        }),
    }
}

/// Whether a cell counts in a share; `None` where that is not known.
fn counts(condition: &Condition, cell: &History) -> Result<Option<bool>, String> {
    if let Some(range) = &condition.range {
        return Ok(number(&condition.measure, cell)?.is_within(range.ends()));
    }
    match condition.measure {
        Measure::Event {
            event,
            accuracy,
            hold,
        } => Ok(match crossing(event, accuracy, hold, &cell.metrics) {
            Crossing::Held { .. } => Some(true),
            Crossing::Open { .. } => None,
            Crossing::Not => Some(false),
        }),
        _ => Err("a share of cells needs an event, `at_least` or `at_most`".to_owned()),
    }
}

fn number(measure: &Measure, cell: &History) -> Result<Known, String> {
    match measure {
        Measure::Metric { metric, at } => {
            of_metric(*metric, *at, &cell.metrics).map(Known::exactly)
        }
        Measure::Series { analysis, name, at } => {
            let series = cell.series.get(analysis);
            let series = series.ok_or_else(|| format!("{analysis} was not read"))?;
            of_series(series.as_ref()?, analysis, name, *at).map(Known::exactly)
        }
        Measure::Event {
            event,
            accuracy,
            hold,
        } => {
            let epoch = |event| epoch(crossing(event, *accuracy, *hold, &cell.metrics), cell);
            if *event != Event::Delay {
                return Ok(epoch(*event));
            }
            let (memorised, grokked) = (epoch(Event::Memorised), epoch(Event::Grokked));
            let from = memorised.number().ok_or(
                "it did not memorise, so that there is no delay; a longer run may \
                 (`grokrun extend RUN --epochs N`)",
            )?;
            Ok(Known {
                low: grokked.low - from,
                high: grokked.high - from,
            })
        }
    }
}

/// How far a cell got with an event; the delay is taken for its second one.
fn crossing(event: Event, accuracy: f64, hold: u64, metrics: &Metrics) -> Crossing {
    let [_, _, train, test] = metrics.columns();
    let accuracies = match event {
        Event::Memorised => train,
        Event::Grokked | Event::Delay => test,
    };
    Crossing::find(accuracies, accuracy, hold)
}

/// The epoch of an event. Where it was not held to the end, or never reached, it is that of the
/// last stretch, or one that was not trained, at the earliest.
fn epoch(crossing: Crossing, cell: &History) -> Known {
    let known = crossing.observation(cell.metrics.len() as u64);
    if known.happened {
        Known::exactly(known.time)
    } else {
        Known::at_least(known.time)
    }
}

fn of_metric(metric: Metric, at: At, metrics: &Metrics) -> Result<f64, String> {
    let [train_loss, test_loss, train_accuracy, test_accuracy] = metrics.columns();
    let column = match metric {
        Metric::TrainLoss => train_loss,
        Metric::TestLoss => test_loss,
        Metric::TrainAccuracy => train_accuracy,
        Metric::TestAccuracy => test_accuracy,
    };
    if let At::Epoch(epoch) = at
        && epoch >= column.len() as u64
    {
        return Err(match column.len() {
            0 => "it has no epochs".to_owned(),
            epochs => format!(
                "epoch {epoch} was not trained: the last one is {}; expected an epoch up to that, or a \
                 longer run (`grokrun extend RUN --epochs {}`)",
                epochs - 1,
                epoch.saturating_add(1)
            ),
        });
    }
    let values = (0..).zip(column.iter().copied());
    pick(values, at).ok_or_else(|| {
        let (name, place) = (words::metric(metric), words::place(at));
        format!("its {name} {place} is no number; an imported history may not have it")
    })
}

fn of_series(found: &FoundSeries, analysis: &str, name: &str, at: At) -> Result<f64, String> {
    let Some((_, values)) = found.series.iter().find(|(known, _)| known == name) else {
        let names: Vec<String> = found.series.iter().map(|(n, _)| format!("{n:?}")).collect();
        return Err(match names.len() {
            0 => format!("{analysis} has no series in it, as for a model that it does not look at"),
            _ => format!(
                "{analysis} has no series {name:?}; expected one of {}",
                some(&names)
            ),
        });
    };
    let values = found.epochs.iter().copied().zip(values.iter().copied());
    pick(values.clone(), at).ok_or_else(|| {
        let known = values.filter(|(_, value)| value.is_finite());
        let epochs: Vec<String> = known.map(|(epoch, _)| epoch.to_string()).collect();
        match epochs.len() {
            0 => format!("the series {name:?} of {analysis} has no numbers"),
            _ => format!(
                "the series {name:?} of {analysis} has no number {}; expected one of the epochs {}",
                words::place(at),
                some(&epochs)
            ),
        }
    })
}

/// The value at an epoch, the last one, the smallest or the largest; of those that are numbers.
fn pick(values: impl Iterator<Item = (u64, f64)>, at: At) -> Option<f64> {
    let is_number = |(epoch, value): (u64, f64)| value.is_finite().then_some((epoch, value));
    let mut known = values.filter_map(is_number);
    match at {
        At::Epoch(wanted) => known.find(|(epoch, _)| *epoch == wanted).map(|(_, v)| v),
        At::Last => known.last().map(|(_, value)| value),
        At::Min => known.map(|(_, value)| value).reduce(f64::min),
        At::Max => known.map(|(_, value)| value).reduce(f64::max),
    }
}

/// The first of some words, and the last where they are many.
fn some(words: &[String]) -> String {
    match words {
        [first @ .., last] if words.len() > LISTED => {
            format!("{}, …, {last}", first[..LISTED - 1].join(", "))
        }
        all => all.join(", "),
    }
}

#[cfg(test)]
mod tests;
