//! The analysis `fourier-sparsity`: how few Fourier frequencies carry the model.
//!
//! Of W_E, W_U and the neuron-logit map W_L = W_out W_U it takes the norm of each frequency in the
//! operation's basis (cosine and sine merged, not squared; doc/definitions.md#norms-by-frequency),
//! of the logits the share of their variance along the label's directions cos and sin of w_k f(a,
//! b), of the neurons each one's best frequency. From the norms: the Gini coefficient, the inverse
//! participation ratio and the effective number of frequencies (doc/definitions.md#sparsity).
//!
//! **Key frequencies** by each published rule, which can differ
//! (doc/definitions.md#rules-of-key-frequencies):
//!
//! | rule | frequencies |
//! |---|---|
//! | `max/4` | of W_E, with a norm above a quarter of the largest (rule A, the newer demo) |
//! | `5 medians` | of W_E, with a norm above five times the median |
//! | `neurons` | that are some neuron's best, before any threshold (rule B, the paper and ARENA) |
//! | `W_L` | of the neuron-logit map, above a quarter of the largest: rule C names no threshold |
//!
//! For multiplication the frequencies are those of characters, numbered by logarithms to the
//! smallest primitive root, and have an order (p − 1)/gcd(k, p − 1). Beside the right basis stand
//! the wrong one and Gaussian noise of the same shape: a measure of sparsity says little alone. For
//! multiplication the wrong one is the additive basis, of period p over all residues. The published
//! comparison (Nguyen 2026, The Discrete Log Clock) takes waves of period p − 1 over the residues 1
//! to p − 1 instead, so that its figures for the wrong basis are of other numbers than these.

mod figures;

use figures::Trajectory;
use grokrun_api::prelude::*;
use grokrun_basis::{Basis, Energies, Space, gaussian};
use grokrun_measures::{
    KeyRule, Spectrum, by_class, check_basis, neuron_logit_map, numbering, space, tokens,
    unembedding,
};

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// also measure W_E in the other basis of the operands
    pub wrong_basis: bool,
    /// also measure Gaussian noise of the shape of W_E
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            wrong_basis: true,
            control: true,
        }
    }
}

/// The running analysis.
pub struct FourierSparsity {
    config: Config,
    p: usize,
    /// the operation's text
    operation: String,
    space: Space,
    wrong: Option<Basis>,
    trajectory: Trajectory,
}

impl Analysis for FourierSparsity {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "fourier-sparsity",
        "0.1.0",
        "how few Fourier frequencies carry the embedding, the unembedding, W_L and the logits",
    )
    .definition(
        "Norm of a frequency: root of the sum of squares over its cosine and sine and all columns, not squared again. Gini: Hurley and Rickard (2009). Key frequencies: above a quarter of the largest norm of W_E (TransformerLens demo); above five medians; best of some neuron (Nanda et al. 2023, before any threshold); above a quarter of the largest of W_L = W_out W_U. The wrong basis has its own period, p of the additive one over all residues; that of Nguyen (2026, The Discrete Log Clock) has period p - 1 over the residues without 0.",
    )
    .needs(&["weight.*", "*.hook_post", "logits"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let space = space(&config.basis, task)?;
        Ok(FourierSparsity {
            p: task.modulus,
            operation: task.operation.clone(),
            wrong: space.wrong().filter(|_| config.wrong_basis),
            trajectory: Trajectory::new(),
            space,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (p, basis) = (self.p, self.space.basis());
        let w_e = tokens(snapshot, p)?;
        let tokens = &w_e.data;
        let w_l = by_class(&neuron_logit_map(snapshot, p)?, p);
        let spectra = [
            ("W_E", Spectrum::of(basis, tokens)),
            (
                "W_U",
                Spectrum::of(basis, &by_class(&unembedding(snapshot, p)?, p)),
            ),
            ("W_L", Spectrum::of(basis, &w_l)),
        ];
        for (name, spectrum) in &spectra {
            out.scalar(&format!("{name} gini"), spectrum.gini());
            let number = spectrum.effective_number();
            out.scalar(&format!("{name} effective number"), number);
            out.scalar(&format!("{name} participation"), spectrum.participation());
            let narrow = spectrum.norms.iter().map(|x| *x as f32);
            out.tensor(&format!("{name}-norms"), &[spectrum.norms.len()], narrow);
        }
        let mut compared = vec![spectra[0].1.gini()];
        if let Some(wrong) = &self.wrong {
            let gini = Spectrum::of(wrong, tokens).gini();
            out.scalar("W_E gini, wrong basis", gini);
            compared.push(gini);
        }
        if self.config.control {
            let noise = gaussian(snapshot.epoch().cast_signed(), tokens.len());
            let gini = Spectrum::of(basis, &noise).gini();
            out.scalar("W_E gini, noise", gini);
            compared.push(gini);
        }

        let logits =
            Energies::along_labels(self.space.labels(), snapshot.logits()?.data()).shares();
        out.scalar("logits explained", logits.iter().sum());
        let narrow = logits.iter().map(|x| *x as f32);
        out.tensor("logit-shares", &[logits.len()], narrow);

        let post = snapshot.post()?;
        let neurons = self.space.energies(post.data());
        let keys = [
            ("max/4", spectra[0].1.above_quarter()),
            ("5 medians", spectra[0].1.above_medians()),
            ("neurons", KeyRule::of_neurons(&neurons)),
            ("W_L", spectra[2].1.above_quarter()),
        ];
        for (rule, keys) in &keys {
            out.scalar(&format!("key frequencies, {rule}"), keys.len() as f64);
        }
        let [w_e_spectrum, _, w_l_spectrum] = spectra.map(|(_, spectrum)| spectrum.norms);
        self.trajectory.push(
            snapshot.epoch(),
            [w_e_spectrum, w_l_spectrum],
            logits,
            compared,
            keys.map(|(rule, keys)| (rule, keys)),
        );
        self.trajectory.keep_map(basis.forward(tokens));
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        self.trajectory.tables(basis, out);
        let keys = self
            .rule()
            .map_or(&[][..], |rule| self.trajectory.keys(rule));
        self.trajectory.components(basis, keys, out);
        let compared = [self.wrong.is_some(), self.config.control];
        // "5 medians" is a rule of W_E.
        let spectrum = match self.rule() {
            Some("5 medians") => "W_E",
            _ => "W_L",
        };
        self.trajectory.draw(basis, compared, spectrum, out);
        if let Some(formula) = self.formula() {
            out.formula(formula);
        }
        let mut note = format!("basis: {}", self.space);
        if let Some(root) = basis.root() {
            note.push_str(&format!(
                ", characters of the logarithm to the primitive root {root}"
            ));
        }
        if self.space.operands().is_none() {
            note.push_str(
                "; the operands have no angle of their own in it, so that W_E is shown in the additive basis and need not be sparse",
            );
        }
        out.note(note);
        if let Some(note) = numbering(basis) {
            out.note(note);
        }
        Ok(())
    }
}

/// Above this many key frequencies there is no formula to read.
const MOST_KEYS: usize = 12;

impl FourierSparsity {
    /// Returns the rule whose key frequencies of the last snapshot are those of the formula: that
    /// of W_L, or, where it has too many or none, that of five medians.
    fn rule(&self) -> Option<&'static str> {
        let few = |rule: &&str| {
            let count = self.trajectory.keys(rule).len();
            (1..=MOST_KEYS).contains(&count)
        };
        ["W_L", "5 medians"].into_iter().find(few)
    }

    /// Writes the key frequencies of the last snapshot as the formula of the logits.
    fn formula(&self) -> Option<Formula> {
        let wave = self.space.wave(&self.operation)?;
        let rule = self.rule()?;
        let mut explanation = format!("Key frequencies by the rule {rule} of fourier-sparsity.");
        let basis = self.space.basis();
        if let Some(root) = basis.root() {
            explanation.push_str(&format!(
                " log is the logarithm to the primitive root {root} modulo {}.",
                self.p
            ));
        }
        if self.space.operands().is_none() {
            explanation.push_str(&format!(" f(a, b) = {}.", self.operation));
        }
        let names = self.trajectory.keys(rule).iter();
        Some(Formula {
            argument: wave.argument.to_owned(),
            period: wave.period as u64,
            keys: names.map(|k| basis.name_of(*k).to_owned()).collect(),
            explanation,
        })
    }
}

grokrun_api::export_plugin!(FourierSparsity);

#[cfg(test)]
mod tests;
