//! The analysis `circulant`: how far the first layer's products of a and of b are a circulant
//! matrix.
//!
//! Mallinar et al. (2024) find that models of modular arithmetic, neural or not, learn features
//! whose block between the tokens of a and those of b is circulant: it depends on the difference of
//! the operands' places alone. Here the block is H_a H_bᵀ, of the neurons' inputs by operand: W_a
//! W_bᵀ of an MLP on two one-hot vectors (doc/definitions.md#circulant).

use grokrun_api::prelude::*;
use grokrun_basis::{Space, gaussian};
use grokrun_measures::{Frames, Marginals, check_basis, product_bt, rounded, space};

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 20;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// also measure Gaussian noise of the neurons' shape
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            control: true,
        }
    }
}

/// The running analysis.
pub struct Circulant {
    config: Config,
    p: usize,
    space: Space,
    epochs: Vec<f64>,
    deviations: Vec<[f64; 2]>,
    frames: Frames<Vec<f32>>,
}

impl Analysis for Circulant {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "circulant",
        "0.1.0",
        "how far the products of the neurons' inputs from a and from b are a circulant matrix",
    )
    .definition(
        "A = H_a H_b^T, H the neurons' inputs by operand, averaged over the other, without their mean, in the order of places (logarithms for products). Deviation: sum over j and l of (A[l, l + j] - mean over l)^2 by the sum of squares of A (after Mallinar et al. 2024, who take the block of the feature matrix); for sums the same of A[l, j - l]. 0 is circulant, noise has 1 - 1/n.",
    )
    .needs(&["*.hook_pre"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        Ok(Circulant {
            space: space(&config.basis, task)?,
            p: task.modulus,
            epochs: Vec::new(),
            deviations: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.operands().filter(|basis| basis.is_cyclic());
        let Some(basis) = basis else {
            return Ok(());
        };
        let pre = snapshot.pre()?;
        let (d, n) = (pre.size(1), basis.group());
        let inputs = Marginals::of(pre.data(), self.p, &self.space.pairs);
        let in_order = |table: &[f64]| -> Vec<f32> {
            let rows = basis
                .order()
                .iter()
                .flat_map(|token| &table[token * d..(token + 1) * d]);
            rows.map(|x| *x as f32).collect()
        };
        let block = product_bt(&in_order(&inputs.of_a), &in_order(&inputs.of_b), d);
        let found = deviations(&block, n);
        out.scalar("deviation, differences", found[0]);
        out.scalar("deviation, sums", found[1]);
        if self.config.control {
            let seed = 2 * snapshot.epoch().cast_signed();
            let noise = product_bt(&gaussian(seed, n * d), &gaussian(seed + 1, n * d), d);
            out.scalar("deviation, noise", deviations(&noise, n)[0]);
        }
        self.epochs.push(snapshot.epoch() as f64);
        self.deviations.push(found);
        self.frames.push(snapshot.epoch(), block);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let cyclic = self.space.operands().filter(|basis| basis.is_cyclic());
        let Some(basis) = cyclic else {
            out.note(format!(
                "the operands of this operation have no places in a cyclic group (basis: {}): nothing was measured",
                self.space
            ));
            return Ok(());
        };
        let n = basis.group();
        let over = |i: usize| self.deviations.iter().map(|d| d[i]).collect::<Vec<f64>>();
        let figure =
            Figure::new("Deviation of the block from a function of a difference, of a sum")
                .x("epoch", Axis::Linear)
                .y("share", Axis::Linear)
                .trace(Trace::line("differences", &self.epochs, &over(0)))
                .trace(Trace::line("sums", &self.epochs, &over(1)));
        out.figure("deviation", figure);
        if let Some((_, last)) = self.frames.last() {
            let map = |block: &[f32]| {
                let wide: Vec<f64> = block.iter().map(|x| f64::from(*x)).collect();
                let rows: Vec<Vec<f64>> = rounded(&wide)
                    .chunks_exact(n)
                    .map(<[f64]>::to_vec)
                    .collect();
                Trace::heatmap(&rows, Colors::Diverging)
            };
            let mut figure = Figure::new("Products of the neurons' inputs from a and from b")
                .x("place of b", Axis::Linear)
                .y("place of a", Axis::Linear)
                .trace(map(last));
            for (epoch, block) in self.frames.iter() {
                figure = figure.frame(epoch, vec![map(block)]);
            }
            out.figure("block", figure);
        }
        out.note(format!("basis: {}", self.space));
        Ok(())
    }
}

/// Returns how far a matrix `(n, n)` is from a function of the difference of column and row, and of
/// their sum, by its sum of squares; NaN if it is 0.
fn deviations(block: &[f32], n: usize) -> [f64; 2] {
    let squares: f64 = block.iter().map(|x| f64::from(*x).powi(2)).sum();
    [false, true].map(|sums| {
        let mut between = 0.0;
        for j in 0..n {
            let column = |l: usize| if sums { (j + n - l) % n } else { (l + j) % n };
            let sum: f64 = (0..n).map(|l| f64::from(block[l * n + column(l)])).sum();
            between += sum * sum / n as f64;
        }
        if squares > 0.0 {
            (1.0 - between / squares).max(0.0)
        } else {
            f64::NAN
        }
    })
}

grokrun_api::export_plugin!(Circulant);

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use grokrun_api::testing::{analyse, mul, random, task};
    use grokrun_api::{Numbers, SnapshotData};

    use super::*;

    /// Neurons cos(kθ(a) + φ) + cos(kθ(b) ± φ), with phases all around the circle.
    fn planted(task: &Task, sign: f64) -> SnapshotData {
        let (p, d) = (task.modulus, 16);
        let basis = space("auto", task).unwrap().basis().clone();
        let wave = |token: usize, j: usize, sign: f64| {
            let phase = sign * TAU * j as f64 / d as f64;
            basis
                .angle(2, token)
                .map_or(0.0, |angle| (angle + phase).cos())
        };
        let pre = (0..p * p * d).map(|i| {
            let (pair, j) = (i / d, i % d);
            (wave(pair / p, j, 1.0) + wave(pair % p, j, sign)) as f32
        });
        let mut data = SnapshotData::new(0);
        data.add(
            "blocks.0.mlp.hook_pre",
            &[p * p, d],
            Numbers::F32(pre.collect()),
        );
        data
    }

    #[test]
    fn planted_differences_and_sums_are_distinguished() {
        let add = task("add", 23, |a, b| Some((a + b) % 23));
        for task in [add, mul(23)] {
            for (sign, zero, other) in [
                (1.0, "deviation, differences", "deviation, sums"),
                (-1.0, "deviation, sums", "deviation, differences"),
            ] {
                let data = planted(&task, sign);
                let found = analyse::<Circulant>(Config::default(), &task, &[data]);
                assert!(
                    found.last(zero).unwrap() < 1e-5,
                    "{zero}: {:?}",
                    found.last(zero)
                );
                assert!(
                    found.last(other).unwrap() > 0.9,
                    "{other}: {:?}",
                    found.last(other)
                );
                assert!(found.figure("block").is_some());
            }
        }
    }

    #[test]
    fn noise_deviates_as_much_as_it_can() {
        let task = task("add", 23, |a, b| Some((a + b) % 23));
        let found = analyse::<Circulant>(Config::default(), &task, &[random(&task, 0, 3)]);
        for series in [
            "deviation, differences",
            "deviation, sums",
            "deviation, noise",
        ] {
            let got = found.last(series).unwrap();
            assert!((got - (1.0 - 1.0 / 23.0)).abs() < 0.05, "{series}: {got}");
        }
    }

    #[test]
    fn operations_without_places_say_so() {
        let task = grokrun_measures::testing::group("S3");
        let found = analyse::<Circulant>(Config::default(), &task, &[random(&task, 0, 3)]);
        assert!(
            found.notes()[0].contains("nothing was measured"),
            "{:?}",
            found.notes()
        );
    }
}
