//! What became of a run's cells as JSON, and when those of each group got there, with all of the
//! survival curve.

use grokrun_store::{CellSummary, Milestone, RunView, Spread, Summary};
use grokrun_sweeps::{Group, Quantile, Step, groups};
use serde_json::{Value, json};

use crate::spread::differ;

/// Describes a run; `configs` has the settings of each cell, `flaws` what could not be read.
pub(crate) fn of_run(
    view: &RunView,
    summary: &Summary,
    configs: &[Value],
    flaws: &[String],
) -> Value {
    let groups = groups(&configs.iter().collect::<Vec<_>>(), None);
    let test = differ(&summary.cells, &groups)
        .map(|test| json!({ "chi_square": test.chi_square, "freedom": test.freedom, "p": test.p }));
    json!({
        "run": view.name(),
        "cells": summary.cells,
        "groups": groups.iter().map(|g| group(g, &summary.cells)).collect::<Vec<_>>(),
        "log_rank": test,
        "flaws": flaws,
    })
}

fn group(group: &Group, cells: &[CellSummary]) -> Value {
    let of = |milestone| milestones(group.cells.iter().map(|i| &cells[*i]), milestone);
    let ids = group.cells.iter().map(|i| &cells[*i].cell);
    json!({
        "name": group.name,
        "cells": ids.collect::<Vec<_>>(),
        "memorised": of(Milestone::Memorised),
        "grokked": of(Milestone::Grokked),
    })
}

fn milestones<'a>(cells: impl Iterator<Item = &'a CellSummary>, milestone: Milestone) -> Value {
    let spread = Spread::of(cells, milestone);
    let quartile = |one: Quantile| json!({ "epoch": one.time, "low": one.low, "high": one.high });
    let step = |step: &Step| {
        json!({ "epoch": step.time, "at_risk": step.at_risk, "events": step.events,
            "censored": step.censored, "share_left": step.survival, "error": step.error,
            "low": step.band.map(|band| band[0]), "high": step.band.map(|band| band[1]) })
    };
    json!({
        "cells": spread.cells,
        "reached": spread.reached,
        "not_yet_held": spread.not_yet,
        "failed": spread.failed,
        "first": spread.first,
        "last": spread.last,
        "quartiles": spread.survival.quartiles().map(quartile),
        "curve": spread.survival.steps().iter().map(step).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use grokrun_store::Metrics;

    use super::*;

    #[test]
    fn a_group_has_its_quartiles_and_its_whole_curve() {
        let cell = |grokked: Option<u64>| CellSummary {
            epochs: 900,
            test_accuracy_epoch: grokked,
            ..CellSummary::new("c", "finished", &Metrics::default())
        };
        let cells = [cell(Some(100)), cell(Some(200)), cell(None)];
        let found = milestones(cells.iter(), Milestone::Grokked);
        assert_eq!((&found["cells"], &found["reached"]), (&json!(3), &json!(2)));
        assert_eq!(found["quartiles"][0]["epoch"], 100.0);
        assert_eq!(found["quartiles"][1]["epoch"], 200.0);
        assert_eq!(found["quartiles"][2]["epoch"], Value::Null);
        let last = &found["curve"][2];
        assert_eq!(
            (&last["epoch"], &last["censored"]),
            (&json!(900.0), &json!(1))
        );
        assert!((found["curve"][1]["share_left"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }
}
