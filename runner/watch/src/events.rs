//! What one viewer is sent: all that is known at first, then what has changed.
//!
//! Each event has a name and JSON. The page puts them together again (`page/live.js`).

use std::sync::Arc;

use grokrun_report::live::{self, duration};
use grokrun_store::{Crossing, Milestone};
use serde_json::{Value, json};

use crate::cell::{CellNow, State};
use crate::snapshot::{Activity, Counts, CurveNow, RunNow, Snapshot};

/// The most cells that have a row on the page.
const MOST_ROWS: usize = 400;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) data: Value,
}

/// What a viewer has been sent.
#[derive(Default)]
pub(crate) struct Sent {
    snapshot: Option<Arc<Snapshot>>,
    /// the cell whose curve was sent, its generation, and how many points
    curve: Option<(usize, u64, usize)>,
    /// the number of the next line of the log
    log: u64,
}

impl Sent {
    /// The revision of what was sent last.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.revision)
    }

    /// Returns what makes of what was sent what is known now; `cell` was chosen by the viewer.
    pub(crate) fn events(&mut self, now: &Arc<Snapshot>, cell: Option<usize>) -> Vec<Event> {
        let mut events = Vec::new();
        let mut add = |name: &'static str, data: Value| events.push(Event { name, data });
        let before = self.snapshot.take();
        let before = before.as_deref();
        let shown = cell
            .filter(|cell| *cell < now.cells.len())
            .unwrap_or(now.lead);
        if before.is_none_or(|before| before.run != now.run) {
            add("run", run(&now.run, now.cells.len()));
        }
        let again = before.is_none_or(|before| before.cells.len() != now.cells.len());
        let rows = rows(before.filter(|_| !again), now);
        if again || !rows.is_empty() {
            let more = now.cells.len().saturating_sub(MOST_ROWS);
            add("cells", json!({ "all": again, "rows": rows, "more": more }));
        }
        let curve = now.curves.get(&shown);
        let had = before.and_then(|before| before.curves.get(&shown));
        let moved = match (had, curve) {
            (Some(had), Some(curve)) => !Arc::ptr_eq(had, curve),
            (None, None) => false,
            _ => true,
        };
        let other = self.curve.is_none_or(|(cell, ..)| cell != shown);
        // What is said of a cell changes when it ends, too.
        let state = |snapshot: &Snapshot| snapshot.cells.get(shown).map(|cell| cell.state);
        let turned = before.and_then(state) != state(now);
        if let Some((curve, cell)) = curve.zip(now.cells.get(shown))
            && (moved || other || turned)
        {
            add("curve", self.curve(shown, cell, curve));
        }
        let embedding = now.embeddings.get(&shown);
        let had = before
            .filter(|_| !other)
            .and_then(|before| before.embeddings.get(&shown));
        if let Some(embedding) = embedding
            && !had.is_some_and(|had| Arc::ptr_eq(had, embedding))
        {
            add(
                "embedding",
                json!({ "cell": shown, "epoch": embedding.epoch, "figures": embedding.figures,
                    "note": embedding.note }),
            );
        }
        let lines: Vec<Value> = now
            .log
            .iter()
            .filter(|line| line.number >= self.log)
            .map(|line| json!({ "level": line.level, "at": line.at, "text": line.text }))
            .collect();
        if !lines.is_empty() {
            add("log", json!({ "lines": lines }));
        }
        self.log = now.log.last().map_or(self.log, |line| line.number + 1);
        if now.closing {
            add("closing", json!({}));
        }
        self.snapshot = Some(Arc::clone(now));
        events
    }

    /// The points of a curve that were not sent yet, and how the whole is drawn.
    fn curve(&mut self, shown: usize, cell: &CellNow, now: &CurveNow) -> Value {
        let curve = &now.curve;
        let from = match self.curve {
            Some((cell, generation, points))
                if cell == shown && generation == curve.generation() && points <= curve.len() =>
            {
                points
            }
            _ => 0,
        };
        self.curve = Some((shown, curve.generation(), curve.len()));
        let (epochs, columns) = curve.points(0);
        let training = matches!(cell.state, State::Training | State::Busy);
        let drawn = live::draw(
            &epochs,
            columns.each_ref().map(Vec::as_slice),
            &cell.outcome,
            training,
            &now.config,
        );
        let figures = drawn.curves.map(without_points);
        let mut y: Value = columns.iter().map(|column| &column[from..]).collect();
        live::rounded(&mut y);
        json!({ "cell": shown, "id": cell.id, "from": from, "x": epochs[from..], "y": y,
            "figures": figures, "phases": drawn.phases, "verdict": drawn.verdict,
            "class": drawn.class, "flaw": cell.flaw })
    }
}

/// A figure whose curves have no points: they are sent apart, each once.
fn without_points(mut figure: Value) -> Value {
    let traces = figure["data"].as_array_mut().into_iter().flatten();
    for trace in traces.filter_map(Value::as_object_mut) {
        trace.remove("x");
        trace.remove("y");
    }
    figure
}

fn run(now: &RunNow, cells: usize) -> Value {
    let (state, words, class) = activity(now, cells);
    json!({ "name": now.name, "heading": now.heading, "facts": now.facts, "state": state,
        "words": words, "class": class, "report": now.report, "cells": cells,
        "problem": now.problem })
}

/// What goes on, as a word, in words, and the class of these.
pub(crate) fn activity(now: &RunNow, cells: usize) -> (&'static str, String, &'static str) {
    let counted = |counts: &Counts| {
        let all = [
            (counts.training, "training"),
            (counts.done, "done"),
            (counts.failed, "failed"),
            (counts.interrupted, "interrupted"),
            (counts.waiting, "waiting"),
        ];
        let some = all.iter().filter(|(count, _)| *count > 0);
        let words = some.map(|(count, what)| format!("{} {what}", live::grouped(*count as u64)));
        words.collect::<Vec<_>>().join(", ")
    };
    let of_cells = match cells {
        0 | 1 => String::new(),
        _ => format!(": {}", counted(&now.counts)),
    };
    match now.activity {
        Activity::Training => ("training", format!("training{of_cells}"), "open"),
        Activity::Busy => (
            "busy",
            format!(
                "a process is at work on the run, and trains no epochs at the moment: it starts, or its analyses are at work{}",
                of_cells.replacen(": ", "; ", 1)
            ),
            "open",
        ),
        Activity::Stopped => (
            "stopped",
            format!("no process trains the run; the same command continues it{of_cells}"),
            "open",
        ),
        Activity::Done if now.counts.failed > 0 => (
            "failed",
            format!("ended{of_cells}, and not all of it could be trained"),
            "bad",
        ),
        Activity::Done => ("done", format!("done{of_cells}"), "good"),
    }
}

/// The rows of the cells that changed, each with its place.
fn rows(before: Option<&Snapshot>, now: &Snapshot) -> Vec<Value> {
    let changed = |(place, cell): &(usize, &Arc<CellNow>)| {
        let had = before.and_then(|before| before.cells.get(*place));
        !had.is_some_and(|had| Arc::ptr_eq(had, cell))
    };
    let all = now.cells.iter().take(MOST_ROWS).enumerate();
    all.filter(changed)
        .map(|(place, cell)| row(place, cell))
        .collect()
}

fn row(place: usize, cell: &CellNow) -> Value {
    let outcome = &cell.outcome;
    let epoch = |milestone| match outcome.crossing(milestone) {
        Crossing::Held { epoch } => epoch.to_string(),
        Crossing::Open { epoch, .. } => format!("{epoch} *"),
        Crossing::Not => String::new(),
    };
    let last = outcome.last.as_ref();
    let mut small = json!(cell.small[2]);
    live::rounded(&mut small);
    json!({ "place": place, "id": cell.id, "state": state_in_words(cell),
        "trained": outcome.epochs, "epochs": cell.epochs,
        "pace": cell.pace.map(|pace| if pace < 100.0 { format!("{pace:.1}") } else { format!("{pace:.0}") }),
        "left": cell.left.map(duration), "stale": cell.stale.map(|s| duration(s as f64)),
        "train_loss": last.map(|row| format!("{:.2e}", row.train_loss)),
        "test_loss": last.map(|row| format!("{:.2e}", row.test_loss)),
        "test_accuracy": last.map(|row| format!("{:.1} %", 100.0 * row.test_accuracy)),
        "memorised": epoch(Milestone::Memorised), "grokked": epoch(Milestone::Grokked),
        "small": small, "flaw": cell.flaw })
}

/// Says where a cell stands.
pub fn state_in_words(cell: &CellNow) -> &str {
    match cell.state {
        State::Waiting => "waiting",
        State::Training => "training",
        State::Busy => "at work",
        State::Interrupted => "interrupted",
        State::Over => &cell.outcome.status,
    }
}

#[cfg(test)]
mod tests;
