//! Measures the phases of neurons: of what goes in and of what comes out.

use std::f64::consts::{PI, TAU};

use grokrun_basis::Basis;
use grokrun_measures::{Marginals, Signs};

/// Holds the waves of a neuron at its frequency.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Neuron {
    /// the frequency with most energy in the input of both operands; 0 if nothing varies
    pub(crate) frequency: usize,
    /// the share of the energy of all input waves that it has
    pub(crate) share: f64,
    /// φ_a, φ_b and ψ, −π to π; NaN without a sine
    pub(crate) phases: [f64; 3],
    /// the sum of the input phases that ψ should be, −π to π
    pub(crate) expected: f64,
    /// ψ less that sum, −π to π
    pub(crate) deviation: f64,
    /// whether most energy of the row of W_L is at this frequency, too
    pub(crate) agrees: bool,
}

impl Neuron {
    /// Says whether the neuron has phases, and a frequency with at least this share.
    pub(crate) fn counts(&self, threshold: f64) -> bool {
        self.frequency > 0 && self.share >= threshold && !self.deviation.is_nan()
    }
}

/// Holds means over the neurons that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// how many neurons count
    pub(crate) neurons: f64,
    /// mean of the deviation's absolute value
    pub(crate) deviation: f64,
    /// length of the mean of exp(i deviation)
    pub(crate) resultant: f64,
    /// mean of |φ_a − φ_b|
    pub(crate) operands: f64,
    /// share of neurons whose row of W_L has their frequency
    pub(crate) agree: f64,
}

impl Summary {
    /// Averages over neurons with a share of at least `threshold`; NaN without any.
    pub(crate) fn of(neurons: &[Neuron], threshold: f64) -> Summary {
        let counted: Vec<&Neuron> = neurons.iter().filter(|n| n.counts(threshold)).collect();
        let count = counted.len() as f64;
        let mean =
            |pick: &dyn Fn(&Neuron) -> f64| counted.iter().map(|n| pick(n)).sum::<f64>() / count;
        let [cos, sin] = [mean(&|n| n.deviation.cos()), mean(&|n| n.deviation.sin())];
        Summary {
            neurons: count,
            deviation: mean(&|n| n.deviation.abs()),
            resultant: cos.hypot(sin),
            operands: mean(&|n| wrapped(n.phases[0] - n.phases[1]).abs()),
            agree: mean(&|n| f64::from(u8::from(n.agrees))),
        }
    }

    /// Returns name and value of each.
    pub(crate) fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("neurons", self.neurons),
            ("deviation", self.deviation),
            ("resultant", self.resultant),
            ("operands apart", self.operands),
            ("frequencies agree", self.agree),
        ]
    }
}

/// Measures all neurons, from their inputs by operand and their rows of W_L, `(p, neurons)` each.
pub(crate) fn measure(
    basis: &Basis,
    signs: &Signs,
    inputs: &Marginals,
    outputs: &[f32],
) -> Vec<Neuron> {
    let d = outputs.len() / basis.modulus().max(1);
    let waves = [
        basis.forward_wide(&inputs.of_a),
        basis.forward_wide(&inputs.of_b),
        basis.forward(outputs),
    ];
    (0..d)
        .map(|neuron| one(basis, signs, &waves, d, neuron))
        .collect()
}

fn one(basis: &Basis, signs: &Signs, waves: &[Vec<f64>; 3], d: usize, neuron: usize) -> Neuron {
    let energy = |which: usize, k: usize| -> f64 {
        let rows = basis.rows_of(k);
        rows.map(|row| waves[which][row * d + neuron].powi(2)).sum()
    };
    let best = |energy: &dyn Fn(usize) -> f64| {
        let all = (1..=basis.count()).map(|k| (k, energy(k)));
        let most = |x: (usize, f64), y: (usize, f64)| if y.1 > x.1 { y } else { x };
        all.fold((0, 0.0), most)
    };
    let input = |k: usize| energy(0, k) + energy(1, k);
    let (k, most) = best(&input);
    let total: f64 = (1..=basis.count()).map(input).sum();
    // A cos(kθ + φ) has the coefficients A cos φ, −A sin φ.
    let rows = basis.rows_of(k);
    let phase = |wave: &Vec<f64>| match rows.len() {
        2 => (-wave[(rows.start + 1) * d + neuron]).atan2(wave[rows.start * d + neuron]),
        _ => f64::NAN,
    };
    let phases = waves.each_ref().map(phase);
    let sign = |added: bool, phase: f64| if added { phase } else { -phase };
    let constant = TAU * (k * signs.constant % basis.group()) as f64 / basis.group() as f64;
    let expected = sign(signs.a, phases[0]) + sign(signs.b, phases[1]) - constant;
    Neuron {
        frequency: k,
        share: if total > 0.0 { most / total } else { 0.0 },
        phases,
        expected: wrapped(expected),
        deviation: wrapped(phases[2] - expected),
        agrees: best(&|k| energy(2, k)).0 == k,
    }
}

/// Returns an angle from −π to π.
fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}
