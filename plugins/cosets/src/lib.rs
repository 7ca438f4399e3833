//! The analysis `cosets`: whether neurons of a model of a group are constant on cosets of a
//! subgroup, or functions of one irreducible representation.
//!
//! Two groups of authors explain the same models in two ways: by representations (Chughtai et al.
//! 2023) and by cosets (Stander et al. 2024). Both are measured here on one thing, the neuron's
//! input as a function of one operand, averaged over the other, and by degrees of freedom, so that
//! neither has an advantage (doc/definitions.md#cosets). An explanation may hold both ways: what is
//! constant on the cosets of S4 in S5 is a function of the standard representation.

mod explain;
mod subgroups;

use explain::{Explained, explain, representations};
use grokrun_api::prelude::*;
use grokrun_basis::{GroupTable, Space, gaussian};
use grokrun_measures::{Marginals, numbering, shown, space};
use subgroups::Subgroups;

/// The names of the ways to explain a neuron, as series and in the figure.
const WAYS: [&str; 4] = ["coset alone", "representation alone", "both", "neither"];

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// the most of a neuron's variance that an explanation leaves, for both operands
    pub threshold: f64,
    /// the most subgroups that are tried
    pub subgroups: usize,
    /// also explain Gaussian noise of the neurons' shape
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            threshold: 0.05,
            subgroups: 2_000,
            control: true,
        }
    }
}

/// The running analysis.
pub struct Cosets {
    config: Config,
    labels: Vec<Option<u32>>,
    /// none if the operation is not that of a group
    group: Option<(Space, Subgroups)>,
    epochs: Vec<f64>,
    counts: Vec<[f64; 4]>,
    last: Option<Last>,
}

/// Holds what is told of the last snapshot alone.
struct Last {
    /// what explains the neurons, by operand
    found: [Vec<Explained>; 2],
    /// by representation, the shares of the outputs' variance at a, at b and at ab
    shares: Vec<[f64; 3]>,
}

impl Analysis for Cosets {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "cosets",
        "0.1.0",
        "whether neurons are constant on cosets, or functions of one representation",
    )
    .definition(
        "Of a neuron's input as a function of one operand, averaged over the other. Within: variance within the left or right cosets of a subgroup by the whole (Stander et al. 2024), of all proper subgroups. Rest: share of the variance outside of one irreducible representation (Chughtai et al. 2023). The best of each is the one that leaves least by its degrees of freedom, [G:H] - 1 and the number of matrix entries; adjusted values are 1 for noise and any one subgroup. A neuron is explained if the threshold holds for both operands. Representations: share of the outputs' variance over pairs along entries at a, at b and at ab.",
    )
    .needs(&["*.hook_pre", "*.hook_post"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(config.threshold > 0.0 && config.threshold < 1.0) {
            return Err(Failure::parameter(
                "threshold",
                "must be above 0 and below 1",
            ));
        }
        if !(1..=100_000).contains(&config.subgroups) {
            return Err(Failure::parameter("subgroups", "must be 1 to 100000"));
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let group = match GroupTable::of(&task.labels, task.modulus) {
            Some(table) => {
                let space = space("auto", task)?;
                Some((space, Subgroups::of(&table, config.subgroups)))
            }
            None => None,
        };
        Ok(Cosets {
            labels: task.labels.clone(),
            group,
            epochs: Vec::new(),
            counts: Vec::new(),
            last: None,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some((space, subgroups)) = &self.group else {
            return Ok(());
        };
        let (basis, n) = (space.basis(), space.basis().modulus());
        let pre = snapshot.pre()?;
        let d = pre.size(1);
        let inputs = Marginals::of(pre.data(), n, &space.pairs);
        let tables = [&inputs.of_a, &inputs.of_b];
        let found = tables.map(|table| explain(basis, &subgroups.list, table));
        let threshold = self.config.threshold;
        let mut counts = [0.0; 4];
        for (of_a, of_b) in found[0].iter().zip(&found[1]) {
            let coset =
                of_a.within.max(of_b.within) <= threshold && !(of_a.within + of_b.within).is_nan();
            let component =
                of_a.rest.max(of_b.rest) <= threshold && !(of_a.rest + of_b.rest).is_nan();
            let way = match (coset, component) {
                (true, false) => 0,
                (false, true) => 1,
                (true, true) => 2,
                (false, false) => 3,
            };
            counts[way] += 1.0;
        }
        for (name, count) in WAYS.iter().zip(counts) {
            out.scalar(name, count);
        }
        let all = || found.iter().flatten();
        let [within, rest, within_adjusted, rest_adjusted] = means(all());
        out.scalar("within cosets", within);
        out.scalar("outside of the representation", rest);
        out.scalar("within cosets, adjusted", within_adjusted);
        out.scalar("outside of the representation, adjusted", rest_adjusted);
        if self.config.control {
            let noise = gaussian(snapshot.epoch().cast_signed(), n * d);
            let noise: Vec<f64> = noise.into_iter().map(f64::from).collect();
            let [_, _, cosets, components] =
                means(explain(basis, &subgroups.list, &centred(noise, d)).iter());
            out.scalar("within cosets, adjusted, noise", cosets);
            out.scalar("outside of the representation, adjusted, noise", components);
        }
        let narrow =
            |pick: fn(&Explained) -> f64| found.iter().flatten().map(move |one| pick(one) as f32);
        out.tensor("within", &[2, d], narrow(|one| one.within));
        out.tensor("rest", &[2, d], narrow(|one| one.rest));
        let shares = representations(basis, &self.labels, snapshot.post()?.data());
        let numbers = shares.iter().flatten().map(|x| *x as f32);
        out.tensor("representation-shares", &[shares.len(), 3], numbers);
        self.epochs.push(snapshot.epoch() as f64);
        self.counts.push(counts);
        self.last = Some(Last { found, shares });
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some((space, subgroups)) = &self.group else {
            out.note("this operation is not the product of a group of at most 1,024 elements: there are no cosets, and nothing was measured");
            return Ok(());
        };
        if subgroups.list.is_empty() {
            out.note("this group has no proper subgroup: no neuron is explained by cosets");
        }
        if !subgroups.all {
            out.note(format!(
                "{} subgroups were tried; the group has more",
                subgroups.list.len()
            ));
        }
        out.note(format!(
            "basis: {space}; {} proper subgroups",
            subgroups.list.len()
        ));
        if let Some(note) = numbering(space.basis()) {
            out.note(note);
        }
        self.tables(space, subgroups, out);
        let mut figure = Figure::new("Neurons by what explains them, for both operands")
            .x("epoch", Axis::Linear)
            .y("neurons", Axis::Linear);
        for (way, name) in WAYS.iter().enumerate() {
            let values: Vec<f64> = self.counts.iter().map(|counts| counts[way]).collect();
            figure = figure.trace(Trace::line(name, &self.epochs, &values));
        }
        out.figure("explanations", figure);
        Ok(())
    }
}

impl Cosets {
    /// Emits a row for each subgroup and each representation that some neuron has, of the last
    /// snapshot.
    fn tables(&self, space: &Space, subgroups: &Subgroups, out: &mut dyn Sink) {
        let Some(Last { found, shares }) = &self.last else {
            return;
        };
        let threshold = self.config.threshold;
        let mut rows = Vec::new();
        for (place, subgroup) in subgroups.list.iter().enumerate() {
            for (right, side) in [(false, "left"), (true, "right")] {
                let here = |one: &&Explained| {
                    one.subgroup == Some((place, right)) && one.within <= threshold
                };
                let [of_a, of_b] = [0, 1].map(|operand| found[operand].iter().filter(here).count());
                if of_a + of_b > 0 {
                    rows.push(vec![
                        json!(subgroup.name()),
                        json!(subgroup.elements.len()),
                        json!(subgroup.index()),
                        json!(side),
                        json!(of_a),
                        json!(of_b),
                    ]);
                }
            }
        }
        let columns = [
            "subgroup",
            "order",
            "index",
            "cosets",
            "neurons of a",
            "neurons of b",
        ];
        out.table("subgroups", &columns, rows);
        let basis = space.basis();
        let row = |(k, shares): (usize, &[f64; 3])| {
            let here = |one: &&Explained| one.component == k && one.rest <= threshold;
            let [of_a, of_b] = [0, 1].map(|operand| found[operand].iter().filter(here).count());
            vec![
                shown(basis, k),
                json!(basis.components()[k - 1].degree),
                json!(of_a),
                json!(of_b),
                json!(shares[0]),
                json!(shares[1]),
                json!(shares[2]),
                json!(shares.iter().sum::<f64>()),
            ]
        };
        let columns = [
            "representation",
            "degree",
            "neurons of a",
            "neurons of b",
            "share of a",
            "share of b",
            "share of ab",
            "share",
        ];
        out.table(
            "representations",
            &columns,
            (1..).zip(shares).map(row).collect(),
        );
    }
}

/// Returns the means of what cosets and representations leave, then by degrees of freedom; columns
/// that are constant do not count.
fn means<'a>(found: impl Iterator<Item = &'a Explained>) -> [f64; 4] {
    let (mut sums, mut counts) = ([0.0; 4], [0.0; 4]);
    for one in found {
        let values = [one.within, one.rest, one.within_adjusted, one.rest_adjusted];
        for ((sum, count), value) in sums.iter_mut().zip(&mut counts).zip(values) {
            if !value.is_nan() {
                *sum += value;
                *count += 1.0;
            }
        }
    }
    [0, 1, 2, 3].map(|i| sums[i] / counts[i])
}

/// Takes the mean of each of `width` columns away.
fn centred(mut table: Vec<f64>, width: usize) -> Vec<f64> {
    let rows = (table.len() / width.max(1)) as f64;
    for column in 0..width {
        let mean = table.iter().skip(column).step_by(width).sum::<f64>() / rows;
        table
            .iter_mut()
            .skip(column)
            .step_by(width)
            .for_each(|x| *x -= mean);
    }
    table
}

grokrun_api::export_plugin!(Cosets);

#[cfg(test)]
mod tests;
