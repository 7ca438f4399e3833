//! How parameters are moved: rules, each in a file of its own, and what stands before and after
//! them.
//!
//! A rule is its slots, its coefficients (worked out in f64 for a step) and an update of one
//! number. Owns the formulas. Knows nothing of tables, apart from `record`, which adds an update
//! stage to a program.

mod adam;
mod adamw;
mod clip;
mod grokfast;
mod lion;
mod muon;
mod orthogonal;
mod recipe;
mod record;
mod sgd;
mod sphere;

use serde::{Deserialize, Serialize};

pub use adam::Adam;
pub use adamw::AdamW;
pub use clip::Clip;
pub use grokfast::{GrokfastEma, GrokfastMa};
pub use lion::Lion;
pub use muon::{ITERATIONS, Muon, Others, QUINTIC, move_matrix, newton_schulz};
pub use orthogonal::orthogonal;
pub use recipe::{Group, Recipe, RecipeError};
pub use record::{TrainError, train};
pub use sgd::Sgd;
pub use sphere::Sphere;

use crate::interpret::Real;

/// The most slots that a rule keeps of each parameter.
pub const MAX_SLOTS: usize = 2;

/// The coefficients of one step of a rule; each rule says what stands where.
pub type Coefficients<T> = [T; 8];

/// A rule, with the numbers that it is used with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Rule {
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
    /// Adam with weight decay in the gradient.
    Adam(Adam),
    /// Gradient descent with momentum.
    Sgd(Sgd),
    /// The sign of a moving average.
    Lion(Lion),
    /// The nearest orthogonal matrix to a moving average.
    Muon(Muon),
}

/// A rule with the settings of one group of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The rule.
    pub rule: Rule,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// The steps over which the learning rate rises from 0: step t (from 0) has min(t / warmup, 1)
    /// of it.
    pub warmup: u64,
}

/// What is done to gradients before the update, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "filter", rename_all = "kebab-case")]
pub enum Filter {
    /// A moving average is added.
    GrokfastEma(GrokfastEma),
    /// The mean of a window is added.
    GrokfastMa(GrokfastMa),
    /// What points along the weights is taken out.
    Orthogonal,
    /// Long gradients are shortened.
    Clip(Clip),
}

/// What a rule is: its slots, its coefficients and its update of one number.
pub trait ElementRule {
    /// Returns the names of what is kept of each parameter from step to step.
    fn slots(&self) -> &'static [&'static str];

    /// Checks the rule's numbers.
    ///
    /// # Errors
    /// Returns the first that is out of its range.
    fn check(&self) -> Result<(), RecipeError>;

    /// Returns the number of the update's formula, by which a text in another language has it: a
    /// kernel's switch.
    fn formula(&self) -> u32;

    /// Returns the coefficients of the step numbered `step`, from 0.
    fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64>;

    /// Returns the weight after one step, and updates its slots. Of a rule that moves matrices
    /// ([`Rule::moves_matrices`]) it returns the direction.
    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T;
}

/// Does something with a rule's own settings, whichever it is: a loop over elements is compiled for
/// each of them, so that no element asks which rule it is.
#[macro_export]
macro_rules! with_rule {
    ($rule:expr, $own:ident => $work:expr) => {
        match $rule {
            $crate::Rule::AdamW($own) => $work,
            $crate::Rule::Adam($own) => $work,
            $crate::Rule::Sgd($own) => $work,
            $crate::Rule::Lion($own) => $work,
            $crate::Rule::Muon($own) => $work,
        }
    };
}

impl Rule {
    /// Returns the names of what is kept of each parameter from step to step.
    pub fn slots(&self) -> &'static [&'static str] {
        with_rule!(self, rule => rule.slots())
    }

    /// Checks the rule's numbers.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        with_rule!(self, rule => rule.check())
    }

    /// Returns the number of the update's formula; see [`ElementRule::formula`].
    pub fn formula(&self) -> u32 {
        with_rule!(self, rule => rule.formula())
    }

    /// Returns the coefficients of the step numbered `step`, from 0.
    pub fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64> {
        with_rule!(self, rule => rule.coefficients(rate, decay, step))
    }

    /// Returns the weight after one step, and updates its slots; see [`ElementRule::update`].
    pub fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        with_rule!(self, rule => rule.update(c, weight, gradient, slots))
    }

    /// Tells whether the updates of a matrix's elements are a direction, by which [`move_matrix`]
    /// moves the matrix.
    pub fn moves_matrices(&self) -> bool {
        matches!(self, Rule::Muon(_))
    }

    /// Returns the rule of the parameters that are no matrix, with learning rate and decay of their
    /// own, if this rule has another for them.
    pub fn others(&self) -> Option<Others> {
        match self {
            Rule::Muon(muon) => Some(muon.others),
            _ => None,
        }
    }
}

impl Settings {
    /// Returns the coefficients of the step numbered `step`, from 0.
    pub fn coefficients(&self, step: u64) -> Coefficients<f64> {
        let warm = if step < self.warmup {
            step as f64 / self.warmup as f64
        } else {
            1.0
        };
        let rate = self.learning_rate * warm;
        self.rule.coefficients(rate, self.weight_decay, step)
    }
}

impl Filter {
    /// Returns what is kept of each parameter: its name, and how many copies of the parameter it
    /// has room for.
    pub fn slot(&self) -> Option<(&'static str, usize)> {
        match self {
            Filter::GrokfastEma(_) => Some(("average", 1)),
            Filter::GrokfastMa(filter) => Some(("window", filter.window)),
            Filter::Orthogonal | Filter::Clip(_) => None,
        }
    }
}

/// 1 − β^(step + 1), what a moving average that started at 0 has seen after a step.
fn seen(beta: f64, step: u64) -> f64 {
    1.0 - libm::pow(beta, (step + 1) as f64)
}

#[cfg(test)]
mod tests;
