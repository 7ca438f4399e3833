//! Defines how parameters are moved: rules, each in its own file, and the filters and projections
//! before and after them.
//!
//! A rule consists of its slots, its coefficients (computed in f64 for a step) and an update of one
//! entry. Owns the formulas. Knows nothing of tables, except in `record`, which adds an update
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
pub use muon::{ITERATIONS, Loops, Muon, Others, Products, QUINTIC, move_matrix, newton_schulz};
pub use orthogonal::orthogonal;
pub use recipe::{Group, Recipe, RecipeError};
pub use record::{TrainError, train};
pub use sgd::Sgd;
pub use sphere::Sphere;

use crate::interpret::Real;

/// The largest number of slots that a rule keeps of each parameter.
pub const MAX_SLOTS: usize = 2;

/// The coefficients of one step of a rule; each rule documents their order.
pub type Coefficients<T> = [T; 8];

/// A rule with its numbers.
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
    /// The number of steps over which the learning rate rises from 0: step t (from 0) uses min(t /
    /// warmup, 1) of the learning rate.
    pub warmup: u64,
}

/// A change to the gradients before the update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "filter", rename_all = "kebab-case")]
pub enum Filter {
    /// A moving average is added.
    GrokfastEma(GrokfastEma),
    /// The mean of a window is added.
    GrokfastMa(GrokfastMa),
    /// The component along the weights is removed.
    Orthogonal,
    /// Gradients longer than a given norm are shortened.
    Clip(Clip),
}

/// The parts of a rule: its slots, its coefficients and its update of one entry.
pub trait ElementRule {
    /// Returns the names of the tables that are kept of each parameter from step to step.
    fn slots(&self) -> &'static [&'static str];

    /// Checks the rule's numbers.
    ///
    /// # Errors
    /// Returns the first number that is out of its range.
    fn check(&self) -> Result<(), RecipeError>;

    /// Returns the number of the update's formula, which a kernel in another language switches on.
    fn formula(&self) -> u32;

    /// Returns the coefficients of the step numbered `step`, from 0.
    fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64>;

    /// Returns the weight after one step, and updates its slots. A rule that moves matrices
    /// ([`Rule::moves_matrices`]) returns the direction instead.
    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T;
}

/// Runs an expression with the settings of a rule, whichever rule it is. A loop over elements is
/// compiled once for each rule, so that no element branches on the rule.
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
    /// Returns the names of the tables that are kept of each parameter from step to step.
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

    /// Tells whether the updates of a matrix's elements are a direction that [`move_matrix`] uses
    /// to move the matrix.
    pub fn moves_matrices(&self) -> bool {
        matches!(self, Rule::Muon(_))
    }

    /// Returns the rule of the parameters that are not matrices, with its own learning rate and
    /// decay, if this rule uses another one for them.
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
    /// Returns the table that is kept of each parameter: its name, and the number of copies of the
    /// parameter that it holds.
    pub fn slot(&self) -> Option<(&'static str, usize)> {
        match self {
            Filter::GrokfastEma(_) => Some(("average", 1)),
            Filter::GrokfastMa(filter) => Some(("window", filter.window)),
            Filter::Orthogonal | Filter::Clip(_) => None,
        }
    }
}

/// Returns 1 − β^(step + 1), the total weight of the gradients in a moving average that started at
/// 0.
fn seen(beta: f64, step: u64) -> f64 {
    1.0 - libm::pow(beta, (step + 1) as f64)
}

#[cfg(test)]
mod tests;
