//! The analysis `norm-path`: the norms of the weights over training, and how large logits they
//! make.
//!
//! Delay laws, weight decay's pull and the "efficiency" of circuits are all told in norms: ‖θ‖, the
//! norm of each tensor, the size of the logits, and the logits by unit of norm (Varma et al. 2023;
//! doc/definitions.md#norm-path). Of any architecture.

use grokrun_api::prelude::*;
use grokrun_measures::{Rows, Score, Shift};

/// The parameters of the analysis.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {}

/// What is measured on a part of the pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Logits {
    /// root of the mean over pairs of Σ (L_c − mean)²
    norm: f64,
    /// mean of the right class's logit less the largest other
    margin: f64,
    loss: f64,
}

/// Holds the numbers of one snapshot.
struct Measured {
    epoch: u64,
    /// of all weights together, under an empty name, and of each
    norms: Vec<(String, f64)>,
    train: Logits,
    test: Logits,
}

/// The running analysis.
pub struct NormPath {
    task: Task,
    train: Rows,
    test: Rows,
    measured: Vec<Measured>,
}

impl Analysis for NormPath {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "norm-path",
        "0.1.0",
        "norms of all weights and of each tensor, size and margin of the logits, and both by norm",
    )
    .definition(
        "Norm: root of the sum of squares, biases included. Logit norm: root of the mean over pairs of the sum of squared logits less their mean over classes. Margin: mean over pairs of the right class's logit less the largest other. Efficiency: logit norm by norm of the weights (after Varma et al. 2023). Neurons' products: the norm is not invariant to rescaling between layers.",
    )
    .needs(&["weight.*", "logits"])
    .scope(Scope::Any);

    fn new(_: Config, task: &Task) -> Result<Self, Failure> {
        Ok(NormPath {
            task: task.clone(),
            train: Rows::train(task),
            test: Rows::test(task),
            measured: Vec::new(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let norms = norms(snapshot);
        let logits = snapshot.logits()?;
        let p = self.task.modulus;
        if logits.shape() != [p * p, p] {
            return Err(Failure::new(format!(
                "the logits have the shape {:?}; expected ({}, {p})",
                logits.shape(),
                p * p
            )));
        }
        let of = |rows: &Rows| measure(&self.task, rows, logits);
        let (train, test) = (of(&self.train), of(&self.test));
        for (name, norm) in &norms {
            out.scalar(&series(name), *norm);
        }
        let norm = norms.first().map_or(f64::NAN, |(_, norm)| *norm);
        for (part, logits) in [("train", &train), ("test", &test)] {
            out.scalar(&format!("logit norm, {part}"), logits.norm);
            out.scalar(&format!("margin, {part}"), logits.margin);
            out.scalar(&format!("efficiency, {part}"), logits.norm / norm);
            out.scalar(&format!("margin by norm, {part}"), logits.margin / norm);
        }
        self.measured.push(Measured {
            epoch: snapshot.epoch(),
            norms,
            train,
            test,
        });
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(last) = self.measured.last() else {
            return Ok(());
        };
        let epochs: Vec<f64> = self.measured.iter().map(|m| m.epoch as f64).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };
        let norm = |m: &Measured, place: usize| m.norms.get(place).map_or(f64::NAN, |n| n.1);
        let highest = |values: &[f64]| {
            let all = values.iter().enumerate();
            let most = all.max_by(|x, y| x.1.total_cmp(y.1));
            most.map(|(place, value)| (self.measured[place].epoch, *value))
        };
        let row = |(place, (name, now)): (usize, &(String, f64))| {
            let values = over(&|m| norm(m, place));
            let (epoch, most) = highest(&values).unwrap_or((0, f64::NAN));
            let shown = if name.is_empty() { "all" } else { name };
            vec![
                json!(shown),
                json!(values.first()),
                json!(most),
                json!(epoch),
                json!(now),
            ]
        };
        let columns = ["tensor", "first", "largest", "at epoch", "last"];
        out.table(
            "norms",
            &columns,
            last.norms.iter().enumerate().map(row).collect(),
        );

        let mut figure = Figure::new("Norms of the weights")
            .x("epoch", Axis::Linear)
            .y("norm", Axis::Linear);
        for (place, (name, _)) in last.norms.iter().enumerate() {
            let shown = if name.is_empty() { "all" } else { name };
            figure = figure.trace(Trace::line(shown, &epochs, &over(&|m| norm(m, place))));
        }
        out.figure("norms", figure);
        let efficiency = |pick: fn(&Measured) -> f64| over(&|m| pick(m) / norm(m, 0));
        let figure = Figure::new("Logits by norm of the weights")
            .x("epoch", Axis::Linear)
            .y("by norm", Axis::Linear)
            .trace(Trace::line(
                "size, train",
                &epochs,
                &efficiency(|m| m.train.norm),
            ))
            .trace(Trace::line(
                "size, test",
                &epochs,
                &efficiency(|m| m.test.norm),
            ))
            .trace(Trace::line(
                "margin, train",
                &epochs,
                &efficiency(|m| m.train.margin),
            ))
            .trace(Trace::line(
                "margin, test",
                &epochs,
                &efficiency(|m| m.test.margin),
            ));
        out.figure("efficiency", figure);
        // Loss against norm: memorising and generalising solutions lie apart in this plane.
        let at: Vec<f64> = over(&|m| norm(m, 0));
        let figure = Figure::new("Loss along the path of the norm")
            .x("norm of all weights", Axis::Linear)
            .y("loss", Axis::Log)
            .trace(Trace::line("train", &at, &over(&|m| m.train.loss)))
            .trace(Trace::line("test", &at, &over(&|m| m.test.loss)));
        out.figure("path", figure);
        Ok(())
    }
}

/// Returns the norm of all weights, under an empty name, and of each tensor. A bias that is 0 is
/// left out.
fn norms(snapshot: &Snapshot<'_>) -> Vec<(String, f64)> {
    let mut all = vec![(String::new(), 0.0)];
    for view in snapshot.views() {
        let name = view.name.strip_prefix("weight.");
        let (Some(name), grokrun_api::NumbersRef::F32(data)) = (name, view.data) else {
            continue;
        };
        let sum: f64 = data.iter().map(|x| f64::from(*x).powi(2)).sum();
        all[0].1 += sum;
        let last = name.rsplit('.').next().unwrap_or(name);
        if !last.starts_with('b') || sum != 0.0 {
            all.push((name.to_owned(), sum));
        }
    }
    all.iter_mut().for_each(|(_, sum)| *sum = sum.sqrt());
    all
}

fn series(tensor: &str) -> String {
    match tensor {
        "" => "norm".to_owned(),
        name => format!("norm, {name}"),
    }
}

fn measure(task: &Task, rows: &Rows, logits: Tensor<'_>) -> Logits {
    let (mut squares, mut margins) = (0.0, 0.0);
    for pair in rows.pairs() {
        let row = logits.row(pair);
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / row.len() as f64;
        squares += row
            .iter()
            .map(|x| (f64::from(*x) - mean).powi(2))
            .sum::<f64>();
        let label = task.labels[pair].map_or(usize::MAX, |label| label as usize);
        let mut others = row.iter().enumerate().filter(|(class, _)| *class != label);
        let first = others.next().map_or(f64::NAN, |(_, x)| f64::from(*x));
        let largest = others.fold(first, |most, (_, x)| {
            if f64::from(*x) > most {
                f64::from(*x)
            } else {
                most
            }
        });
        margins += row.get(label).map_or(f64::NAN, |own| f64::from(*own)) - largest;
    }
    let count = rows.len() as f64;
    let Score { loss, .. } = rows.score(logits.data(), &Shift::none(task.modulus));
    Logits {
        norm: (squares / count).sqrt(),
        margin: margins / count,
        loss,
    }
}

grokrun_api::export_plugin!(NormPath);

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{Expert, add, analyse, random};
    use grokrun_api::{Numbers, SnapshotData};

    use super::*;

    /// Two classes, so that every number is plain: logits (3, 1) where the label is the first, and
    /// (1, 2) where it is the second.
    #[test]
    fn planted_weights_and_logits_have_their_norms() {
        let task = add(2);
        let mut data = SnapshotData::new(0);
        data.add("weight.embed.W_E", &[1, 2], Numbers::F32(vec![3.0, 0.0]));
        data.add("weight.unembed.W_U", &[1, 1], Numbers::F32(vec![4.0]));
        data.add("weight.blocks.0.mlp.b_in", &[2], Numbers::F32(vec![0.0; 2]));
        let logits = task.labels.iter().flat_map(|label| match label {
            Some(0) => [3.0, 1.0],
            _ => [1.0, 2.0],
        });
        data.add("logits", &[4, 2], Numbers::F32(logits.collect()));
        let found = analyse::<NormPath>(Config {}, &task, &[data]);
        assert_eq!(found.last("norm"), Some(5.0));
        assert_eq!(found.last("norm, embed.W_E"), Some(3.0));
        assert_eq!(found.last("norm, blocks.0.mlp.b_in"), None);
        // Of the pairs 0 to 3 with labels 0 1 1 0, those at 0 and 3 are tested on.
        assert_eq!(found.last("margin, test"), Some(2.0));
        assert_eq!(found.last("margin, train"), Some(1.0));
        assert!((found.last("logit norm, test").unwrap() - 2f64.sqrt()).abs() < 1e-12);
        assert!((found.last("efficiency, train").unwrap() - 0.5f64.sqrt() / 5.0).abs() < 1e-12);
        assert_eq!(found.table("norms").unwrap().len(), 3);
        for figure in ["norms", "efficiency", "path"] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
    }

    /// A model that has learnt has a margin, noise has none; twice the logits are twice the size.
    #[test]
    fn noise_has_no_margin_and_an_expert_has_one() {
        let task = add(23);
        let expert = Expert::additive(23, &[2, 5, 9]).snapshot(&task, 0);
        let found = analyse::<NormPath>(Config {}, &task, &[expert]);
        assert!(found.last("margin, test").unwrap() > 1.0);
        let noise = random(&task, 0, 3);
        let plain = analyse::<NormPath>(Config {}, &task, std::slice::from_ref(&noise));
        // The largest of 22 others is about 2 above a random one.
        assert!((plain.last("margin, test").unwrap() + 2.0).abs() < 0.5);
        assert!((plain.last("logit norm, test").unwrap() / 22f64.sqrt() - 1.0).abs() < 0.1);
        let mut twice = noise.clone();
        let doubled = noise.show(&grokrun_api::Needs::all(), |snapshot| {
            snapshot
                .logits()
                .unwrap()
                .data()
                .iter()
                .map(|x| 2.0 * x)
                .collect()
        });
        twice.replace("logits", Numbers::F32(doubled));
        let found = analyse::<NormPath>(Config {}, &task, &[twice]);
        let ratio =
            found.last("efficiency, test").unwrap() / plain.last("efficiency, test").unwrap();
        assert!((ratio - 2.0).abs() < 1e-6, "{ratio}");
    }
}
