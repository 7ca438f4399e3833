//! The trait, and what an analysis says of itself before it runs.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Sink, Snapshot, Task};

/// An analysis: a function of what it is shown. It never writes files, prints, or touches a device.
///
/// One instance sees one cell, from the first checkpoint to the last, in order. It is called from
/// one thread at a time, not always the same. The same checkpoints must give the same findings,
/// byte for byte: no clock, no unseeded random numbers, no iteration over hash maps.
pub trait Analysis: Sized + Send + 'static {
    /// The parameters that a spec may give, each with its default.
    type Config: Default + Serialize + DeserializeOwned + JsonSchema;

    /// Who it is and what it needs.
    const MANIFEST: Manifest;

    /// Judges parameters before anything is trained: ranges, combinations. Types and unknown names
    /// are already refused.
    ///
    /// # Errors
    /// [`Failure::parameter`], which names the parameter.
    fn check(_config: &Self::Config) -> Result<(), Failure> {
        Ok(())
    }

    /// Starts on a cell.
    ///
    /// # Errors
    /// When it cannot work on this task, with the reason.
    fn new(config: Self::Config, task: &Task) -> Result<Self, Failure>;

    /// Takes a snapshot and says what it finds.
    ///
    /// What `self` holds grows at its own cost: scalars are fine, tables of each snapshot belong in
    /// `out`, as findings or, where they are wanted again, by [`Sink::keep`]. A long look may be
    /// shared through rayon: a linked analysis is called in a pool of the host's, of all cores
    /// where there are many, and none of them trains.
    ///
    /// # Errors
    /// When it cannot go on. It is not called again, and the run goes on without it.
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure>;

    /// Is called once after the last snapshot: what can be said of the whole training.
    ///
    /// # Errors
    /// As [`Analysis::observe`].
    fn finish(&mut self, _out: &mut dyn Sink) -> Result<(), Failure> {
        Ok(())
    }
}

/// Who an analysis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// in kebab-case: the name of its table in a spec
    pub name: &'static str,
    /// of the analysis: another version may give other findings
    pub version: &'static str,
    /// one line
    pub summary: &'static str,
    /// which definitions are used, and their source; shown in the report
    pub definition: &'static str,
    /// what it has to be shown
    pub needs: &'static [Need],
    /// when it is shown something, unless a spec's `every` says otherwise
    pub cadence: Cadence,
    /// which models it is shown; of others a note says that it has not looked
    pub scope: Scope,
}

/// The models that an analysis is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// one-layer transformers on [a, b, '='], with a causal softmax, ReLU or GELU neurons and no
    /// norms: they have all parameters and activations that a [`Need`] names
    #[default]
    OneLayer,
    /// any model on pairs: [`Model`](crate::Model) says which layers there are; attention is there
    /// where three positions are attended to, and gradients are not
    Any,
}

/// When an analysis is shown a snapshot. Whatever it is, the first and the last checkpoint are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cadence {
    /// at each checkpoint of the spec
    #[default]
    Checkpoints,
    /// every so many epochs, where checkpoints are then written too
    Every(u64),
    /// at the first and the last only
    Ends,
}

impl Cadence {
    /// As a spec's `every`: epochs, 0 for the first and last only, none for that of the
    /// checkpoints.
    pub fn every(self) -> Option<u64> {
        match self {
            Cadence::Checkpoints => None,
            Cadence::Every(epochs) => Some(epochs),
            Cadence::Ends => Some(0),
        }
    }
}

impl Manifest {
    /// An analysis that needs nothing yet.
    pub const fn new(name: &'static str, version: &'static str, summary: &'static str) -> Manifest {
        Manifest {
            name,
            version,
            summary,
            definition: "",
            needs: &[],
            cadence: Cadence::Checkpoints,
            scope: Scope::OneLayer,
        }
    }

    /// With the definitions it uses, and their source.
    pub const fn definition(self, definition: &'static str) -> Manifest {
        Manifest { definition, ..self }
    }

    /// For these models.
    pub const fn scope(self, scope: Scope) -> Manifest {
        Manifest { scope, ..self }
    }

    /// With this cadence.
    pub const fn cadence(self, cadence: Cadence) -> Manifest {
        Manifest { cadence, ..self }
    }

    /// With these needs.
    pub const fn needs(self, needs: &'static [Need]) -> Manifest {
        Manifest { needs, ..self }
    }
}

/// Something that a snapshot can show. Only what some analysis needs is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// every parameter, with TransformerLens' names and shapes
    Weights,
    /// the gradient of the train loss at these weights, a tensor a parameter
    Gradients,
    /// attention from '=' over the full grid, `(p², heads, 3)`: to a, to b, to '='
    Attention,
    /// the neurons' inputs over the full grid, `(p², d_mlp)`, of every layer
    PreActivations,
    /// the neurons' outputs over the full grid, `(p², d_mlp)`, of every layer
    PostActivations,
    /// logits at '=' over the full grid, `(p², p)`
    Logits,
    /// losses and accuracies of all epochs so far
    History,
}

impl Need {
    /// All of them.
    pub const ALL: [Need; 7] = [
        Need::Weights,
        Need::Gradients,
        Need::Attention,
        Need::PreActivations,
        Need::PostActivations,
        Need::Logits,
        Need::History,
    ];
}

/// A set of needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u32);

impl Needs {
    /// Whether it has this one.
    pub fn has(self, need: Need) -> bool {
        self.0 & (1 << need as u32) != 0
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

impl FromIterator<Need> for Needs {
    fn from_iter<I: IntoIterator<Item = Need>>(needs: I) -> Needs {
        Needs(needs.into_iter().fold(0, |bits, n| bits | 1 << n as u32))
    }
}

/// Why an analysis could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// a parameter of the spec is wrong
    #[error("`{parameter}` {message}")]
    Parameter {
        /// its name, as a spec writes it
        parameter: String,
        /// what it must be: "must be above 0 and at most 1"
        message: String,
    },
    /// anything else
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A wrong parameter; the message goes on from its name: "must be above 0".
    pub fn parameter(parameter: &str, message: impl Into<String>) -> Failure {
        Failure::Parameter {
            parameter: parameter.to_owned(),
            message: message.into(),
        }
    }

    /// Any other reason.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure::Other(message.into())
    }

    /// Checks a parameter that is a share of something there must be: above 0 and at most 1.
    ///
    /// # Errors
    /// If the value is not; the error names `parameter`.
    pub fn unless_share(parameter: &str, value: f64) -> Result<(), Failure> {
        if value > 0.0 && value <= 1.0 {
            Ok(())
        } else {
            let message = "must be above 0 and at most 1";
            Err(Failure::parameter(parameter, message))
        }
    }
}
