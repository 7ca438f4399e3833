//! Describes how a model is trained: the rule, its settings by group, and the filters and
//! projections around the update.
//!
//! Owns the choice of settings for a parameter and the ranges of all numbers.

use serde::{Deserialize, Serialize};

use super::{AdamW, Filter, Rule, Settings, Sphere};
use crate::parameters::{Parameter, Parameters};

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The rule.
    pub rule: Rule,
    /// The learning rate.
    pub learning_rate: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// The steps of linear warm-up.
    pub warmup: u64,
    /// The changes to the gradients before the update, in this order.
    pub filters: Vec<Filter>,
    /// The norm that is kept after each step.
    pub sphere: Option<Sphere>,
    /// Settings of some parameters; if several groups match a parameter, the last one counts.
    pub groups: Vec<Group>,
}

/// Settings of the parameters whose names match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// A name, in which `*` stands for anything.
    pub matching: String,
    /// The learning rate, if it differs from the recipe's.
    pub learning_rate: Option<f64>,
    /// The weight decay, if it differs from the recipe's.
    pub weight_decay: Option<f64>,
    /// Whether the parameters keep their initial values.
    pub frozen: bool,
}

/// Why a recipe cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// A number is out of its range.
    #[error("{what} is {given}; expected {expected}")]
    Number {
        /// The name of the number.
        what: &'static str,
        /// Its value.
        given: f64,
        /// The range it must be in.
        expected: &'static str,
    },
    /// A group matches no parameter.
    #[error("no parameter is called {matching:?}; expected one of {names}")]
    NoMatch {
        /// The pattern.
        matching: String,
        /// The names of the parameters.
        names: String,
    },
    /// Every parameter is frozen.
    #[error("every parameter is frozen; expected at least one that is trained")]
    Frozen,
}

impl Recipe {
    /// The recipe of the published experiment.
    pub fn published() -> Recipe {
        Recipe {
            rule: Rule::AdamW(AdamW::PUBLISHED),
            learning_rate: 1e-3,
            weight_decay: 1.0,
            warmup: 0,
            filters: Vec::new(),
            sphere: None,
            groups: Vec::new(),
        }
    }

    /// Returns the settings of a parameter, or `None` if the parameter is frozen.
    pub fn settings(&self, parameter: &Parameter) -> Option<Settings> {
        let mut settings = Settings {
            rule: self.rule,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            warmup: self.warmup,
        };
        if let Some(others) = self.rule.others()
            && parameter.matrix().is_none()
        {
            settings.rule = Rule::AdamW(others.rule);
            settings.learning_rate = others.learning_rate;
            settings.weight_decay = others.weight_decay;
        }
        let group = self.groups.iter().rfind(|g| g.matches(&parameter.name));
        if let Some(group) = group {
            settings.learning_rate = group.learning_rate.unwrap_or(settings.learning_rate);
            settings.weight_decay = group.weight_decay.unwrap_or(settings.weight_decay);
        }
        let frozen = !parameter.trained || group.is_some_and(|g| g.frozen);
        (!frozen).then_some(settings)
    }

    /// Checks every number, and that every group matches a parameter.
    ///
    /// # Errors
    /// Returns the first thing that is wrong.
    pub fn check(&self, parameters: &Parameters) -> Result<(), RecipeError> {
        finite("the learning rate", self.learning_rate)?;
        finite("the weight decay", self.weight_decay)?;
        self.rule.check()?;
        self.filters.iter().try_for_each(Filter::check)?;
        if let Some(sphere) = &self.sphere {
            positive("the multiple of the sphere", sphere.multiple)?;
        }
        for group in &self.groups {
            finite(
                "the learning rate of a group",
                group.learning_rate.unwrap_or(0.0),
            )?;
            finite(
                "the weight decay of a group",
                group.weight_decay.unwrap_or(0.0),
            )?;
            if !parameters.iter().any(|p| group.matches(&p.name)) {
                let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
                return Err(RecipeError::NoMatch {
                    matching: group.matching.clone(),
                    names: names.join(", "),
                });
            }
        }
        if parameters.iter().all(|p| self.settings(p).is_none()) {
            return Err(RecipeError::Frozen);
        }
        Ok(())
    }
}

impl Group {
    /// Tells whether the group has settings for a parameter.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.matching, name)
    }
}

/// Tells whether a name matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len()).any(|skip| name.is_char_boundary(skip) && matches(rest, &name[skip..]))
}

/// Checks the numbers of Adam and its relatives.
pub(super) fn adam(betas: [f64; 2], epsilon: f64) -> Result<(), RecipeError> {
    betas
        .into_iter()
        .try_for_each(|beta| share("a beta", beta))?;
    let representable = epsilon as f32 > 0.0 && epsilon.is_finite();
    check("epsilon", epsilon, representable, "at least 1e-45")
}

impl Filter {
    /// Checks the filter's numbers.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        match self {
            Filter::GrokfastEma(filter) => {
                share("Grokfast's alpha", filter.alpha)?;
                finite("Grokfast's lambda", filter.lambda)
            }
            Filter::GrokfastMa(filter) => {
                let window = filter.window as f64;
                let fits = (1..=1000).contains(&filter.window);
                check("Grokfast's window", window, fits, "1 to 1000")?;
                finite("Grokfast's lambda", filter.lambda)
            }
            Filter::Orthogonal => Ok(()),
            Filter::Clip(clip) => positive("the norm that gradients are clipped to", clip.most),
        }
    }
}

pub(super) fn share(what: &'static str, given: f64) -> Result<(), RecipeError> {
    let fits = (0.0..1.0).contains(&given);
    check(what, given, fits, "at least 0 and less than 1")
}

pub(super) fn finite(what: &'static str, given: f64) -> Result<(), RecipeError> {
    let fits = given.is_finite() && given >= 0.0;
    check(what, given, fits, "a finite number, at least 0")
}

fn positive(what: &'static str, given: f64) -> Result<(), RecipeError> {
    let fits = given.is_finite() && given > 0.0;
    check(what, given, fits, "a finite number greater than 0")
}

pub(super) fn check(
    what: &'static str,
    given: f64,
    fits: bool,
    expected: &'static str,
) -> Result<(), RecipeError> {
    if fits {
        Ok(())
    } else {
        Err(RecipeError::Number {
            what,
            given,
            expected,
        })
    }
}
