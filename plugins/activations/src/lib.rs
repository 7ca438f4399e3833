//! The analysis `activations`: attention patterns and neurons as maps over the pairs, and their
//! spectra.
//!
//! - **Maps** `(p, p)`, a down and b across: attention from '=' to a of each head (that to b is
//!   what is left, up to '='), and the outputs of the neurons that `neurons` selects. For
//!   multiplication tokens stand in the order of their logarithm, 0 first, so that a wave looks
//!   like one.
//! - **Spectra** F X Fᵀ `(p, p)` in the operation's basis (doc/definitions.md#bases), without the
//!   constant term; for a head or neuron the frequency whose own terms explain most, and the
//!   fraction; and `one wave`, the largest share that functions of one operand have at a single
//!   frequency (the originals' "row and column 0" of an attention pattern).
//! - **Mean squared spectrum**: mean over *all* neurons of the squared coefficients, constant term
//!   0 (doc/definitions.md#activations). The paper centres over the whole grid; here, over
//!   the group, which is the same for addition, and for multiplication keeps the zero element,
//!   whose terms have rows of their own, out of it.
//! - Of spectra, the **shares** of the energy in the group's block that are in functions of one
//!   operand (`linear`), in products of a frequency with itself (`same frequency`) and in products
//!   of two different ones (`two frequencies`): 1 together. And the **effective number of terms**
//!   (Σs)²/Σs² of the mean squared spectrum s.
//!
//! **Control**: the spectrum of Gaussian noise of the same shape, whose shares are those of the
//! numbers of terms.
//!
//! For an operation whose operands have no angle the maps and spectra are in the additive basis,
//! where they need not be sparse, and the fraction is that along the directions of the label; a
//! note says so.
//!
//! Maps are kept in at most `frames` snapshots, evenly spread; tensors of them are those of the
//! last.

mod figures;
mod spectrum;

use figures::{Maps, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Space, gaussian};
use grokrun_measures::{check_basis, numbering, space};
use spectrum::{Shares, blocks, by_column, effective_terms, mean_squared, one_wave};

/// The most neurons that can be selected: each has two figures.
const MOST_NEURONS: usize = 16;
/// The most frames of a map that moves.
const MOST_FRAMES: usize = 100;
/// How many columns of noise the mean of the control is taken over.
const NOISE: usize = 16;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// neurons that are shown, counted from 0; at most 16
    pub neurons: Vec<usize>,
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// the most snapshots that a map is shown at, 2 to 100; a map is p² numbers
    pub frames: usize,
    /// also show Gaussian noise
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            neurons: vec![0, 1, 2],
            basis: "auto".to_owned(),
            frames: 6,
            control: true,
        }
    }
}

/// The running analysis.
pub struct Activations {
    neurons: Vec<usize>,
    space: Space,
    /// the basis's rows, `(p, p)`
    matrix: Vec<f32>,
    trajectory: Trajectory,
}

impl Analysis for Activations {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "activations",
        "0.1.0",
        "attention patterns and neurons as maps over the pairs, and their 2-D spectra",
    )
    .definition(
        "Spectrum: F X F^T without the constant term, F the operation's basis. Mean squared neuron spectrum: mean over all neurons of squared coefficients (Nanda et al. 2023), centred over the group. Fraction: share of a frequency's products of {const, cos, sin} in the energy over the group.",
    )
    .needs(&["*.hook_pattern?", "*.hook_post"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if config.neurons.len() > MOST_NEURONS {
            return Err(Failure::parameter(
                "neurons",
                format!("must be at most {MOST_NEURONS}"),
            ));
        }
        let mut sorted = config.neurons.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Failure::parameter("neurons", "must name each neuron once"));
        }
        if !(2..=MOST_FRAMES).contains(&config.frames) {
            return Err(Failure::parameter(
                "frames",
                format!("must be from 2 to {MOST_FRAMES}"),
            ));
        }
        check_basis("basis", &config.basis)
    }

    fn new(mut config: Config, task: &Task) -> Result<Self, Failure> {
        let (p, d_mlp) = (task.modulus, task.model.d_mlp);
        if config.neurons == Config::default().neurons {
            // These are the default: a smaller model shows the neurons that it has.
            config.neurons.retain(|n| *n < d_mlp);
        }
        if let Some(neuron) = config.neurons.iter().find(|n| **n >= d_mlp) {
            return Err(Failure::parameter(
                "neurons",
                format!("must be below d_mlp = {d_mlp}, and {neuron} is not"),
            ));
        }
        let space = space(&config.basis, task)?;
        let matrix: Vec<f32> = space.basis().matrix().iter().map(|x| *x as f32).collect();
        let noise = config.control.then(|| {
            let table = gaussian(1, p * p * NOISE);
            mean_squared(space.basis(), &matrix, &table)
        });
        Ok(Activations {
            trajectory: Trajectory::new(config.frames, noise),
            neurons: config.neurons,
            space,
            matrix,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        let p = basis.modulus();
        // Of several layers, or of other positions, there is no one attention to a and to b.
        let (attention, post) = (snapshot.attention().ok(), snapshot.post()?);
        let (heads, d_mlp) = (attention.map_or(0, |a| a.size(1)), post.size(1));
        let most = self.neurons.iter().max().copied();
        if attention.is_some_and(|a| a.shape() != [p * p, heads, 3])
            || post.shape() != [p * p, d_mlp]
            || most.is_some_and(|n| n >= d_mlp)
        {
            return Err(Failure::new(format!(
                "attention has the shape {:?} and post {:?}; expected ({}, heads, 3) and ({}, d_mlp) with every selected neuron",
                attention.map(|a| a.shape()),
                post.shape(),
                p * p,
                p * p
            )));
        }
        let to_a = attention.map_or(&[][..], |a| a.data());
        let to_a: Vec<f32> = to_a.iter().step_by(3).copied().collect();
        let pick = |row: &[f32]| self.neurons.iter().map(|n| row[*n]).collect::<Vec<f32>>();
        let selected: Vec<f32> = post
            .data()
            .chunks_exact(d_mlp.max(1))
            .flat_map(pick)
            .collect();

        let (mut maps, mut fractions) = (Maps::default(), Vec::new());
        let names = (0..heads).map(|head| format!("head {head}"));
        let neurons = self.neurons.iter().map(|n| format!("neuron {n}"));
        let parts = [
            (&to_a, names.collect::<Vec<_>>()),
            (&selected, neurons.collect()),
        ];
        for (table, names) in parts {
            if names.is_empty() {
                continue;
            }
            let best = self.space.energies(table).best();
            let spectra = by_column(basis, table);
            for (column, (name, spectrum)) in names.iter().zip(spectra).enumerate() {
                let squares: Vec<f64> = spectrum.iter().map(|x| x * x).collect();
                let shares = Shares::of(basis, &squares);
                let (k, fraction) = best[column];
                out.scalar(&format!("{name} frequency"), k as f64);
                out.scalar(&format!("{name} fraction"), fraction);
                out.scalar(&format!("{name} linear"), shares.linear);
                let wave = one_wave(basis, &squares);
                out.scalar(&format!("{name} one wave"), wave);
                fractions.push(fraction);
                let map = table.iter().skip(column).step_by(names.len());
                maps.push(
                    name.clone(),
                    map.copied().collect(),
                    spectrum.iter().map(|x| *x as f32).collect(),
                );
            }
        }

        let mean = mean_squared(basis, &self.matrix, post.data());
        let shares = Shares::of(basis, &mean);
        out.scalar("neurons linear", shares.linear);
        out.scalar("neurons same frequency", shares.same);
        out.scalar("neurons two frequencies", shares.different);
        if !basis.outside().is_empty() {
            out.scalar("neurons outside", shares.outside);
        }
        let terms = effective_terms(basis, &mean);
        out.scalar("neurons effective terms", terms);
        let blocks = blocks(basis, &mean);
        out.tensor(
            "mean-spectrum-by-frequency",
            &[blocks.len()],
            blocks.iter().map(|x| *x as f32),
        );
        maps.mean = mean.iter().map(|x| *x as f32).collect();
        self.trajectory
            .push(snapshot.epoch(), maps, shares, terms, fractions);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        self.trajectory.tensors(basis, out);
        self.trajectory.tables(&self.space, out);
        self.trajectory.draw(basis, out);
        let mut note = format!("basis: {}", self.space);
        if let Some(root) = basis.root() {
            note.push_str(&format!(
                ", tokens in the order of their logarithm to {root}, 0 first"
            ));
        }
        if self.space.operands().is_none() {
            note.push_str(
                "; a token has no angle in this operation: spectra are in the additive basis, where they need not be sparse, and fractions are along the directions of the label",
            );
        }
        out.note(note);
        if let Some(note) = numbering(basis) {
            out.note(note);
        }
        Ok(())
    }
}

grokrun_api::export_plugin!(Activations);

#[cfg(test)]
mod tests;
