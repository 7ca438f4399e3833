//! By which law the delay from memorising to grokking falls with a setting: T(r) = a r^−γ + b, for
//! each numeric key in which the cells of a sweep differ.

mod figures;
#[cfg(test)]
mod tests;

use grokrun_api::prelude::*;
use grokrun_api::serde_json::Value;
use grokrun_sweeps::{Axis, Crossing, Observation, PowerLaw, axes, fit_power_law, label};

/// When a cell counts as having memorised and grokked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// The accuracy from which a part counts as solved, above 0 and at most 1.
    accuracy: f64,
    /// Epochs for which an accuracy has to be held.
    hold: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            accuracy: grokrun_sweeps::ACCURACY,
            hold: grokrun_sweeps::HOLD,
        }
    }
}

/// What became of a cell.
struct Delay {
    /// its number in the sweep
    cell: usize,
    memorised: Option<u64>,
    /// from memorising to grokking; none where it has not memorised
    delay: Option<Observation>,
}

/// Cells that differ in one key alone, and the law through their delays.
pub(crate) struct Fitted<'a> {
    pub(crate) axis: &'a Axis,
    /// what they have in common of the other keys; empty where nothing else varies
    pub(crate) others: String,
    /// the setting and the delay of each cell that memorised
    pub(crate) points: Vec<(f64, Observation)>,
    /// cells that have not memorised
    pub(crate) without: usize,
    pub(crate) law: Result<PowerLaw, String>,
}

/// The analysis.
pub struct DelayLaw {
    config: Config,
    delays: Vec<Delay>,
    failed: usize,
    seen: usize,
}

impl SweepAnalysis for DelayLaw {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "delay-law",
        "0.1.0",
        "the power law by which the delay from memorising to grokking falls with each setting",
    )
    .definition(
        "T(r) = a r^−γ + b (Notsawo et al. 2023 for the fraction r; γ = 1 is the law in 1/λ and in \
         1/η) through the delays T = T_grok − T_mem of cells that differ in one key and their \
         seeds. log T is taken to be normal around the law, a cell that has not grokked counts \
         with the probability of a longer delay (Tobin 1958), and a, γ, b ≥ 0 and the spread are \
         those of the largest likelihood. The 95 % interval of γ is that of the profile likelihood \
         with Student's quantile. R² is the explained share of the variance of log T, of the cells \
         that grokked.",
    );

    fn check(config: &Config) -> Result<(), Failure> {
        Failure::unless_share("accuracy", config.accuracy)
    }

    fn new(config: Config, _: &[SweepCell]) -> Result<Self, Failure> {
        Ok(DelayLaw {
            config,
            delays: Vec::new(),
            failed: 0,
            seen: 0,
        })
    }

    fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure> {
        let number = self.seen;
        self.seen += 1;
        if cell.has_failed() {
            self.failed += 1;
            return Ok(());
        }
        let history = numbers.history()?;
        let epochs = history.test_accuracy.len() as u64;
        let Config { accuracy, hold } = self.config;
        let crossing = |accuracies: &[f64]| Crossing::find(accuracies, accuracy, hold);
        let memorised = crossing(history.train_accuracy).held();
        let grokked = crossing(history.test_accuracy).observation(epochs);
        let delay = memorised.map(|memorised| Observation {
            time: (grokked.time - memorised as f64).max(0.0),
            ..grokked
        });
        self.delays.push(Delay {
            cell: number,
            memorised,
            delay,
        });
        Ok(())
    }

    fn finish(&mut self, cells: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure> {
        let settings: Vec<&Value> = cells.iter().map(|cell| &cell.settings).collect();
        let axes = axes(&settings);
        self.tell_delays(cells, out);
        if self.failed > 0 {
            out.note(format!("failed, without a delay: {}", self.failed));
        }
        let numeric: Vec<&Axis> = axes.iter().filter(|axis| axis.is_numeric()).collect();
        if numeric.is_empty() {
            out.note("no law: the cells differ in no number but their seeds");
        }
        let mut fitted = Vec::new();
        for axis in numeric {
            fitted.extend(self.fitted(axis, &axes, &settings));
        }
        out.table("laws", &COLUMNS, fitted.iter().map(Fitted::row).collect());
        for one in &fitted {
            out.note(one.words());
        }
        for axis in &axes {
            let own: Vec<&Fitted> = fitted
                .iter()
                .filter(|one| one.axis.key == axis.key)
                .collect();
            if let Some(figure) = figures::over(axis, &own) {
                let name = format!("over-{}", axis.key.replace(['.', '_'], "-"));
                out.push(grokrun_api::Finding::Figure { name, figure });
            }
        }
        Ok(())
    }
}

/// The columns of the table of laws.
const COLUMNS: [&str; 11] = [
    "key",
    "cells with",
    "grokked",
    "not yet (later)",
    "not memorised",
    "γ",
    "γ from",
    "γ to",
    "a",
    "b",
    "R²",
];

impl DelayLaw {
    fn tell_delays(&self, cells: &[SweepCell], out: &mut dyn Sink) {
        let row = |one: &Delay| {
            vec![
                json!(cells[one.cell].id),
                json!(one.memorised),
                json!(one.delay.map(|delay| delay.time)),
                json!(one.delay.map(|delay| !delay.happened)),
            ]
        };
        let columns = ["cell", "memorised", "delay", "censored"];
        out.table("delays", &columns, self.delays.iter().map(row).collect());
    }

    /// Fits a law to the cells of each value of the other keys.
    fn fitted<'a>(&self, axis: &'a Axis, axes: &[Axis], settings: &[&Value]) -> Vec<Fitted<'a>> {
        let mut all: Vec<Fitted> = Vec::new();
        for one in &self.delays {
            let own = settings[one.cell];
            let others = axes.iter().filter(|other| other.key != axis.key);
            let others: Vec<String> = others.map(|other| label(other, &other.of(own))).collect();
            let others = others.join(", ");
            let at = all.iter().position(|fitted| fitted.others == others);
            let at = at.unwrap_or_else(|| {
                all.push(Fitted {
                    axis,
                    others,
                    points: Vec::new(),
                    without: 0,
                    law: Err(String::new()),
                });
                all.len() - 1
            });
            match (axis.of(own).number(), one.delay) {
                (Some(value), Some(delay)) => all[at].points.push((value, delay)),
                _ => all[at].without += 1,
            }
        }
        for fitted in &mut all {
            fitted.law = fit_power_law(&fitted.points);
        }
        all
    }
}

impl Fitted<'_> {
    fn grokked(&self) -> usize {
        self.points
            .iter()
            .filter(|(_, delay)| delay.happened)
            .count()
    }

    fn row(&self) -> Vec<Value> {
        let law = self.law.as_ref().ok();
        let mut row = vec![
            json!(self.axis.key),
            json!(self.others),
            json!(self.grokked()),
            json!(self.points.len() - self.grokked()),
            json!(self.without),
        ];
        row.extend([
            json!(law.map(|law| law.exponent.value)),
            json!(law.and_then(|law| law.exponent.low)),
            json!(law.and_then(|law| law.exponent.high)),
            json!(law.map(|law| law.factor)),
            json!(law.map(|law| law.offset)),
            json!(law.map(|law| law.r_squared)),
        ]);
        row
    }

    /// The law in a sentence, or why there is none, with the cells that count otherwise.
    fn words(&self) -> String {
        let mut words = self.axis.key.clone();
        if !self.others.is_empty() {
            words.push_str(&format!(" ({})", self.others));
        }
        words.push_str(&match &self.law {
            Err(why) => format!(": no law: {why}"),
            Ok(law) => format!(
                ": T_grok − T_mem = {:.3e} r^−{:.3}{}, {}, R² {:.3}",
                law.factor,
                law.exponent.value,
                // Below an epoch there is none.
                if law.offset < 1.0 {
                    String::new()
                } else {
                    format!(" + {:.0}", law.offset)
                },
                interval(law),
                law.r_squared
            ),
        });
        let censored = self.points.len() - self.grokked();
        words.push_str(&format!("; of its cells {} grokked", self.grokked()));
        if censored > 0 {
            words.push_str(&format!(", {censored} had not and count as later"));
        }
        if self.without > 0 {
            words.push_str(&format!(
                ", {} had not memorised and are left out",
                self.without
            ));
        }
        words
    }
}

/// The interval of the exponent in words.
fn interval(law: &PowerLaw) -> String {
    let end = |end: Option<f64>| end.map(|end| format!("{end:.3}"));
    match (end(law.exponent.low), end(law.exponent.high)) {
        (Some(low), Some(high)) => format!("γ from {low} to {high}"),
        (Some(low), None) => format!("γ from {low} on"),
        (None, Some(high)) => format!("γ up to {high}"),
        (None, None) if law.known < 6 => "γ without an interval: too few cells".to_owned(),
        (None, None) => "any γ fits as well".to_owned(),
    }
}

grokrun_api::export_plugin!(sweep DelayLaw);
