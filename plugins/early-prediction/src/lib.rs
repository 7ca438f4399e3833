//! Which numbers of early training tell whether a cell will grok: the area under the ROC curve of
//! each, over the cells of a sweep, and how long before grokking they tell it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use grokrun_api::prelude::*;
use grokrun_api::serde_json::Value;
use grokrun_sweeps::{Auc, Crossing, Observation, Survival, auc};

/// What counts as grokked, and when is early.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// The test accuracy from which a cell counts as grokked, above 0 and at most 1.
    accuracy: f64,
    /// Epochs for which it has to be held.
    hold: u64,
    /// The shares of the training at which numbers are taken, each above 0 and below 1.
    shares: Vec<f64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            accuracy: grokrun_sweeps::ACCURACY,
            hold: grokrun_sweeps::HOLD,
            shares: vec![0.01, 0.02, 0.05, 0.1, 0.2],
        }
    }
}

/// The history's columns; of losses the logarithm would order cells alike.
const HISTORY: [&str; 4] = ["train loss", "test loss", "train accuracy", "test accuracy"];
/// The fewest cells of each kind that an area is computed from.
const FEWEST: usize = 3;

/// A cell whose outcome is known.
struct Seen {
    /// when it grokked; none where it did not by its end
    grokked: Option<u64>,
    /// by name of the number, its value at each early epoch; NaN where it has none
    values: BTreeMap<String, Vec<f64>>,
}

/// The analysis.
pub struct EarlyPrediction {
    config: Config,
    /// at which numbers are taken
    epochs: Vec<u64>,
    seen: Vec<Seen>,
    failed: usize,
    /// cells whose outcome is open: interrupted, or at 99 % and not yet held
    open: usize,
}

impl SweepAnalysis for EarlyPrediction {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "early-prediction",
        "0.1.0",
        "which numbers of early training tell whether a cell will grok, and how early",
    )
    .definition(
        "The area under the ROC curve (Hanley and McNeil 1982) of each number at an early epoch: the \
         probability that of a cell that groks later and one that does not by its end, the first has \
         the larger number. 95 % intervals by DeLong et al. 1988, on the logit. Below 0.5 the \
         smaller number tells it. Cells that have grokked by the epoch are left out of it: there is \
         nothing to predict. The lead is the median of T_grok minus the epoch. Intervals are of one \
         number each: among many numbers the largest area is too large.",
    );
    const READS: Reads = Reads::All;

    fn check(config: &Config) -> Result<(), Failure> {
        Failure::unless_share("accuracy", config.accuracy)?;
        let early = |share: &f64| *share > 0.0 && *share < 1.0;
        if !config.shares.is_empty() && config.shares.iter().all(early) {
            Ok(())
        } else {
            Err(Failure::parameter(
                "shares",
                "must be numbers above 0 and below 1",
            ))
        }
    }

    fn new(config: Config, cells: &[SweepCell]) -> Result<Self, Failure> {
        let trained = cells
            .iter()
            .filter(|cell| !cell.has_failed())
            .map(|cell| cell.epochs);
        let longest = trained.max().unwrap_or(0);
        let epoch = |share: &f64| (share * longest as f64).round() as u64;
        let mut epochs: Vec<u64> = config.shares.iter().map(epoch).collect();
        epochs.sort_unstable();
        epochs.dedup();
        Ok(EarlyPrediction {
            config,
            epochs,
            seen: Vec::new(),
            failed: 0,
            open: 0,
        })
    }

    fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure> {
        if cell.has_failed() {
            self.failed += 1;
            return Ok(());
        }
        let history = numbers.history()?;
        let Config { accuracy, hold, .. } = self.config;
        let crossing = Crossing::find(history.test_accuracy, accuracy, hold);
        let grokked = match (crossing, cell.status.as_str()) {
            (Crossing::Held { epoch }, _) => Some(epoch),
            (Crossing::Not, status) if status != "interrupted" => None,
            _ => {
                self.open += 1;
                return Ok(());
            }
        };
        let mut values = BTreeMap::new();
        let columns = [
            history.train_loss,
            history.test_loss,
            history.train_accuracy,
            history.test_accuracy,
        ];
        for (name, column) in HISTORY.iter().zip(columns) {
            let at = |epoch: &u64| column.get(*epoch as usize).copied().unwrap_or(f64::NAN);
            values.insert((*name).to_owned(), self.epochs.iter().map(at).collect());
        }
        for series in numbers.series() {
            // The latest value by then: it is known at that epoch.
            let at = |epoch: &u64| {
                let pairs = series.epochs.iter().zip(series.values);
                let mut known =
                    pairs.filter(|(at, value)| **at <= *epoch as f64 && !value.is_nan());
                known.next_back().map_or(f64::NAN, |(_, value)| *value)
            };
            let name = format!("{}: {}", series.analysis, series.name);
            values.insert(name, self.epochs.iter().map(at).collect());
        }
        self.seen.push(Seen { grokked, values });
        Ok(())
    }

    fn finish(&mut self, _: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure> {
        let did = self
            .seen
            .iter()
            .filter(|cell| cell.grokked.is_some())
            .count();
        out.note(format!(
            "{did} of {} cells grokked; left out are {} that are open (interrupted, or not yet held) \
             and {} that failed",
            self.seen.len(),
            self.open,
            self.failed
        ));
        let mut names: Vec<&String> = self.seen.iter().flat_map(|c| c.values.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for at in 0..self.epochs.len() {
            all.extend(names.iter().filter_map(|name| self.predictor(name, at)));
        }
        if all.is_empty() {
            out.note(format!(
                "nothing is compared: {FEWEST} or more cells are needed that grok after an early \
                 epoch, and {FEWEST} that do not"
            ));
            return Ok(());
        }
        // The best of each epoch first; by name where they are equal.
        all.sort_by(|one, other| {
            let skill = |one: &Predictor| (one.area.value - 0.5).abs();
            let by_skill = skill(other).total_cmp(&skill(one));
            one.epoch
                .cmp(&other.epoch)
                .then(by_skill)
                .then(one.name.cmp(&other.name))
        });
        let columns = [
            "epoch",
            "number",
            "AUC",
            "from",
            "to",
            "groks with",
            "grok later",
            "do not",
            "lead",
            "lead from",
            "lead to",
        ];
        out.table(
            "predictors",
            &columns,
            all.iter().map(Predictor::row).collect(),
        );
        if let Some(best) = all
            .iter()
            .max_by(|a, b| a.sureness().total_cmp(&b.sureness()))
        {
            out.note(best.words(names.len()));
        }
        out.push(grokrun_api::Finding::Figure {
            name: "area".to_owned(),
            figure: figure(&all),
        });
        Ok(())
    }
}

/// What a number at an early epoch tells.
struct Predictor {
    name: String,
    epoch: u64,
    area: Auc,
    later: usize,
    never: usize,
    lead: grokrun_sweeps::Quantile,
}

impl EarlyPrediction {
    /// The area of a number at the early epoch of that index; none of too few cells.
    fn predictor(&self, name: &str, at: usize) -> Option<Predictor> {
        let epoch = self.epochs[at];
        let value = |cell: &Seen| cell.values.get(name).map_or(f64::NAN, |values| values[at]);
        let of = |wanted: &dyn Fn(Option<u64>) -> bool| -> Vec<f64> {
            let cells = self.seen.iter().filter(|cell| wanted(cell.grokked));
            cells.map(value).filter(|x| !x.is_nan()).collect()
        };
        let later = of(&|grokked| grokked.is_some_and(|grokked| grokked > epoch));
        let never = of(&|grokked| grokked.is_none());
        if later.len() < FEWEST || never.len() < FEWEST {
            return None;
        }
        let leads = self
            .seen
            .iter()
            .filter_map(|cell| cell.grokked?.checked_sub(epoch));
        let leads = leads
            .filter(|lead| *lead > 0)
            .map(|lead| Observation::event(lead as f64));
        Some(Predictor {
            name: name.to_owned(),
            epoch,
            area: auc(&later, &never)?,
            later: later.len(),
            never: never.len(),
            lead: Survival::of(leads).quantile(0.5),
        })
    }
}

impl Predictor {
    fn row(&self) -> Vec<Value> {
        let side = if self.area.value >= 0.5 {
            "larger"
        } else {
            "smaller"
        };
        vec![
            json!(self.epoch),
            json!(self.name),
            json!(self.area.value),
            json!(self.area.interval.map(|ends| ends[0])),
            json!(self.area.interval.map(|ends| ends[1])),
            json!(side),
            json!(self.later),
            json!(self.never),
            json!(self.lead.time),
            json!(self.lead.low),
            json!(self.lead.high),
        ]
    }

    /// How far the interval, or an area without one, is from telling nothing.
    fn sureness(&self) -> f64 {
        match self.area.interval {
            Some([low, high]) => (low - 0.5).max(0.5 - high),
            None => (self.area.value - 0.5).abs() - 0.5,
        }
    }

    fn words(&self, compared: usize) -> String {
        let interval = match self.area.interval {
            Some([low, high]) => format!(", 95 % interval {low:.2} – {high:.2}"),
            None => ", without an interval".to_owned(),
        };
        let lead = self.lead.time.unwrap_or(f64::NAN);
        format!(
            "the surest of {compared} numbers is {} at epoch {}: AUC {:.2}{interval}, with a median \
             lead of {lead:.0} epochs; as the best of many it is too good",
            self.name, self.epoch, self.area.value
        )
    }
}

/// Draws the areas over the early epochs.
fn figure(all: &[Predictor]) -> Value {
    let mut names: Vec<&String> = all.iter().map(|one| &one.name).collect();
    names.sort_unstable();
    names.dedup();
    let best = |name: &&String| {
        let own = all.iter().filter(|one| one.name == **name);
        own.map(|one| (one.area.value - 0.5).abs())
            .fold(0.0, f64::max)
    };
    names.sort_by(|one, other| best(other).total_cmp(&best(one)));
    let line = |name: &&String| {
        let own: Vec<&Predictor> = all.iter().filter(|one| one.name == **name).collect();
        let ends = |i: usize, sign: f64| -> Vec<f64> {
            let end = |one: &&Predictor| {
                one.area
                    .interval
                    .map_or(0.0, |e| sign * (e[i] - one.area.value))
            };
            own.iter().map(end).collect()
        };
        json!({ "type": "scatter", "mode": "lines+markers", "name": name,
            "x": own.iter().map(|one| one.epoch).collect::<Vec<_>>(),
            "y": own.iter().map(|one| one.area.value).collect::<Vec<_>>(),
            "error_y": { "type": "data", "symmetric": false, "array": ends(1, 1.0),
                "arrayminus": ends(0, -1.0), "thickness": 1 } })
    };
    json!({ "data": names.iter().take(8).map(line).collect::<Vec<_>>(), "layout": {
        "title": { "text": "How well early numbers tell who groks" },
        "meta": { "caption": "Area under the ROC curve of the eight best numbers, with 95 % intervals: 0.5 is chance, 1 a larger and 0 a smaller number in every cell that groks." },
        "xaxis": { "title": { "text": "early epoch" }, "type": "log" },
        "yaxis": { "title": { "text": "AUC" }, "range": [-0.02, 1.02] } } })
}

grokrun_api::export_plugin!(sweep EarlyPrediction);
