//! The claims of a run: reads what its cells have left, one cell after the other, and judges.

use std::collections::BTreeMap;
use std::path::Path;

use grokrun_spec::{Cell, Claim, Plan, Selection, load_training};
use grokrun_store::{FoundSeries, Metrics, RunView, Summary};
use serde_json::Value;

use crate::judge::judge;
use crate::known::Known;
use crate::measure::{self, History};
use crate::{ClaimsError, Verdict, Verified};

/// The name of the resolved spec, in messages.
const RESOLVED: &str = "resolved.toml";

/// Evaluates the claims in the spec of a run, as the run's folder has it; none where it has none.
///
/// # Errors
/// The spec or the summary cannot be read.
pub fn of_run(run: &RunView) -> Result<Vec<Verified>, ClaimsError> {
    let text = run.resolved()?;
    // The resolved spec has each claim below a header.
    if !text.lines().any(|line| line.starts_with("[[claim]]")) {
        return Ok(Vec::new());
    }
    let path = run.path().join(RESOLVED);
    let plan = load_training(&text, Path::new(&path))
        .map_err(|error| ClaimsError::Spec(format!("{} is no spec: {error}", path.display())))?;
    verify(&plan, run)
}

/// Evaluates the claims of a plan on a run of it.
///
/// # Errors
/// The summary of the run cannot be read. What is wrong with a cell is told by the claims that
/// speak of it.
pub fn verify(plan: &Plan, run: &RunView) -> Result<Vec<Verified>, ClaimsError> {
    let summary = run.summary()?;
    let mut all: Vec<Gathering<'_>> = plan.claims.iter().map(Gathering::new).collect();
    let choosing = plan
        .claims
        .iter()
        .any(|c| c.cells.is_some() || c.against.is_some());
    for cell in &plan.cells {
        let values = if choosing {
            plan.cell_values(cell)
        } else {
            Value::Null
        };
        let mut history = None;
        for gathering in &mut all {
            let is_of = |cells: &Option<Selection>, otherwise| match cells {
                Some(cells) => cells.has(&values),
                None => otherwise,
            };
            let chosen = is_of(&gathering.claim.cells, true);
            let against = is_of(&gathering.claim.against, false);
            if !chosen && !against {
                continue;
            }
            gathering.counts[0] += usize::from(chosen);
            gathering.counts[1] += usize::from(against);
            if gathering.problem.is_some() {
                continue;
            }
            let history = history.get_or_insert_with(|| read(plan, cell, run, &summary));
            let number = match history {
                Ok(history) => gathering.measure(history),
                Err(why) => Err(why.clone()),
            };
            match number {
                Ok(number) => {
                    gathering.chosen.extend(chosen.then_some(number));
                    gathering.against.extend(against.then_some(number));
                }
                Err(why) => gathering.problem = Some(format!("{}: {why}", cell.id)),
            }
        }
    }
    Ok(all.into_iter().map(Gathering::verified).collect())
}

/// The numbers of a claim's cells, as far as they were measured.
struct Gathering<'c> {
    claim: &'c Claim,
    chosen: Vec<Known>,
    against: Vec<Known>,
    /// the cells that the claim speaks of, and those that it compares them with
    counts: [usize; 2],
    /// why a cell has no number; of the first such cell
    problem: Option<String>,
}

impl<'c> Gathering<'c> {
    fn new(claim: &'c Claim) -> Gathering<'c> {
        Gathering {
            claim,
            chosen: Vec::new(),
            against: Vec::new(),
            counts: [0; 2],
            problem: None,
        }
    }

    /// The number of a cell; the series of its analysis are read once.
    fn measure(&self, cell: &mut Read<'_>) -> Result<Known, String> {
        if let Some(analysis) = self.claim.analysis()
            && !cell.history.series.contains_key(analysis)
        {
            let series = cell.read_series(analysis);
            cell.history.series.insert(analysis.to_owned(), series);
        }
        measure::quantity(&self.claim.quantity, &cell.history)
    }

    fn verified(self) -> Verified {
        let [cells, others] = self.counts;
        let none = |key: &str, cells: &Option<Selection>| {
            let cells = cells.as_ref().map(Selection::to_string).unwrap_or_default();
            format!(
                "no cell of the spec has {cells}; expected values of `{key}` that the spec trains, as \
                 `resolved.toml` has them"
            )
        };
        let against = self.claim.against.as_ref().map(|_| self.against.as_slice());
        let (measured, verdict) = if cells == 0 {
            let why = none("where", &self.claim.cells);
            (None, Verdict::NotEvaluated(why))
        } else if against.is_some() && others == 0 {
            let why = none("against", &self.claim.against);
            (None, Verdict::NotEvaluated(why))
        } else if let Some(why) = self.problem {
            (None, Verdict::NotEvaluated(why))
        } else {
            judge(self.claim, &self.chosen, against)
        };
        Verified {
            claim: self.claim.clone(),
            cells,
            measured,
            verdict,
        }
    }
}

/// A cell that is over, with what was read of it.
struct Read<'a> {
    cell: &'a Cell,
    run: &'a RunView,
    history: History,
}

/// The history of a cell whose training is over.
///
/// # Errors
/// Why it has none that claims can be judged by.
fn read<'a>(
    plan: &Plan,
    cell: &'a Cell,
    run: &'a RunView,
    summary: &Summary,
) -> Result<Read<'a>, String> {
    let epochs = plan.epochs;
    let Some(recorded) = summary.cell(&cell.id) else {
        return Err("it was not trained yet; `grokrun SPEC` trains it".to_owned());
    };
    if recorded.has_failed() {
        let verdict = &recorded.verdict;
        return Err(format!(
            "its training {verdict}; a claim needs cells that are trained to their end"
        ));
    }
    if !recorded.is_over(epochs) {
        return Err(format!(
            "it is not finished: {} of {epochs} epochs are known; `grokrun SPEC` goes on",
            recorded.epochs
        ));
    }
    let metrics = metrics(run, cell)?;
    Ok(Read {
        cell,
        run,
        history: History {
            metrics,
            series: BTreeMap::new(),
        },
    })
}

/// The losses and accuracies of a cell; from the state where `metrics.parquet` cannot be used.
fn metrics(run: &RunView, cell: &Cell) -> Result<Metrics, String> {
    let Some(dir) = run.cell(&cell.id) else {
        return Err("its folder is gone; `grokrun SPEC` trains it again".to_owned());
    };
    let damage = match dir.read_metrics() {
        Ok(Some(metrics)) => return Ok(metrics),
        Ok(None) => None,
        Err(error) => Some(error.to_string()),
    };
    match (dir.read_history(), damage) {
        ((metrics, None), _) if !metrics.is_empty() => Ok(metrics),
        ((_, Some(why)), _) | (_, Some(why)) => Err(why),
        (_, None) => Err("it has no history; `grokrun SPEC` makes it again".to_owned()),
    }
}

impl Read<'_> {
    fn read_series(&self, analysis: &str) -> Result<FoundSeries, String> {
        let again = format!("`grokrun analyze RUN --only {analysis}` runs it");
        let Some(dir) = self.run.cell(&self.cell.id) else {
            return Err("its folder is gone; `grokrun SPEC` trains it again".to_owned());
        };
        let index = dir.read_findings(analysis).map_err(|e| e.to_string())?;
        if let Some(why) = index.as_ref().and_then(|index| index.failure.as_ref()) {
            return Err(format!(
                "the analysis {analysis} failed {why}; {again} again"
            ));
        }
        if let Some(epoch) = index.as_ref().and_then(|index| index.so_far) {
            return Err(format!(
                "the analysis {analysis} has not concluded, it has seen epoch {epoch}; {again}"
            ));
        }
        let series = dir.read_series(analysis).map_err(|e| e.to_string())?;
        series.ok_or_else(|| format!("the analysis {analysis} has not concluded; {again}"))
    }
}

#[cfg(test)]
mod tests;
