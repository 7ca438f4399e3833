//! How something grows with a model's sizes: powers, from what it was at a few small models.

use grokrun_engine::Shape;
use serde::{Deserialize, Serialize};

/// The models that are observed: modulus, neurons, and by what the width is divided. Small,
/// larger, more neurons, narrower. Both moduli are prime, so that every operation is defined.
pub(super) const MODELS: [(usize, usize, usize); 4] =
    [(31, 256, 1), (61, 256, 1), (31, 1024, 1), (31, 256, 2)];
/// The one whose value is carried on: the largest, so that an error of a power matters least.
const ANCHOR: usize = 1;

/// The powers that something can grow with, and those that it has where nothing else is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// of the modulus: least, usual, most
    pub(super) modulus: [f64; 3],
    /// of the number of neurons
    pub(super) neurons: [f64; 3],
    /// of the width, where that is more than the widest model that is observed
    pub(super) width: [f64; 3],
    /// the least value: what is below is noise
    pub(super) least: f64,
}

/// A value and its powers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Growth {
    /// at the anchor
    at_anchor: f64,
    by_modulus: f64,
    by_neurons: f64,
    by_width: f64,
    /// how many times as wide the plan's model is as those that were observed
    wider: f64,
}

impl Growth {
    /// From values at [`MODELS`]; the first is known, none of the others need be.
    pub(super) fn fit(values: [Option<f64>; MODELS.len()], wider: f64, bounds: &Bounds) -> Growth {
        let [small, larger, more, narrower] = values.map(|v| v.map(|v| v.max(bounds.least)));
        let small = small.unwrap_or(bounds.least);
        let [of_small, of_anchor] = [MODELS[0], MODELS[ANCHOR]];
        let power = |value: Option<f64>, ratio: f64, [least, usual, most]: [f64; 3]| match value {
            Some(value) => ((value / small).ln() / ratio.ln()).clamp(least, most),
            None => usual,
        };
        let ratio = |one: usize, other: usize| one as f64 / other as f64;
        let by_modulus = power(larger, ratio(of_anchor.0, of_small.0), bounds.modulus);
        let carried = small * ratio(of_anchor.0, of_small.0).powf(by_modulus);
        Growth {
            at_anchor: larger.unwrap_or(carried),
            by_modulus,
            by_neurons: power(more, ratio(MODELS[2].1, of_small.1), bounds.neurons),
            by_width: power(narrower, ratio(of_small.2, MODELS[3].2), bounds.width),
            wider,
        }
    }

    /// At a model of this shape, of the plan's width.
    pub(super) fn at(&self, shape: &Shape) -> f64 {
        let (p, f, _) = MODELS[ANCHOR];
        self.at_anchor
            * (shape.modulus as f64 / p as f64).powf(self.by_modulus)
            * (shape.d_mlp as f64 / f as f64).powf(self.by_neurons)
            * self.wider.powf(self.by_width)
    }

    /// Whether this can be right: what was kept may have been altered.
    pub(super) fn is_sound(&self, bounds: &Bounds) -> bool {
        let within = |power: f64, [least, _, most]: [f64; 3]| (least..=most).contains(&power);
        self.at_anchor >= bounds.least
            && self.at_anchor.is_finite()
            && (1.0..1e9).contains(&self.wider)
            && within(self.by_modulus, bounds.modulus)
            && within(self.by_neurons, bounds.neurons)
            && within(self.by_width, bounds.width)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use grokrun_engine::Activation;

    const BOUNDS: Bounds = Bounds {
        modulus: [1.0, 2.5, 4.0],
        neurons: [0.0, 0.75, 1.5],
        width: [0.0, 1.5, 3.0],
        least: 1e-7,
    };

    pub(crate) fn shape(modulus: usize, d_mlp: usize) -> Shape {
        Shape {
            modulus,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    #[test]
    fn planted_powers_are_found_again_and_carried_on() {
        let planted = |p: f64, f: f64, width: f64| 2e-8 * p.powi(3) * f.sqrt() * width.powf(1.25);
        let of = |(p, f, part): (usize, usize, usize)| {
            Some(planted(p as f64, f as f64, 1.0 / part as f64))
        };
        let growth = Growth::fit(MODELS.map(of), 4.0, &BOUNDS);
        assert!(growth.is_sound(&BOUNDS));
        for (p, f) in [(23, 128), (113, 512), (113, 2048)] {
            let ratio = growth.at(&shape(p, f)) / planted(p as f64, f as f64, 4.0);
            assert!((ratio - 1.0).abs() < 1e-9, "{p} {f} {ratio}");
        }
    }

    #[test]
    fn values_within_noise_give_a_sound_growth_that_does_not_fall() {
        let some = |values: [f64; 4]| values.map(Some);
        for values in [
            some([0.0; 4]),
            some([1e-3, 1e-4, 0.0, 1.0]),
            some([1e-9, 1.0, 1.0, 1e-12]),
            [Some(0.5), None, None, None],
            [Some(0.5), Some(2.0), None, None],
            [None; 4],
        ] {
            let growth = Growth::fit(values, 2.0, &BOUNDS);
            assert!(growth.is_sound(&BOUNDS), "{growth:?}");
            assert!(growth.at(&shape(61, 256)) >= growth.at(&shape(31, 256)));
        }
        // The smallest alone is carried on by the usual powers.
        let one = Growth::fit([Some(0.5), None, None, None], 1.0, &BOUNDS);
        assert!((one.at(&shape(31, 256)) - 0.5).abs() < 1e-9);
        let altered = Growth {
            by_width: 9.0,
            ..one
        };
        assert!(!altered.is_sound(&BOUNDS));
    }
}
