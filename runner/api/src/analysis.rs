//! Defines the trait, and how an analysis describes itself before it runs.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Sink, Snapshot, Task};

/// An analysis: a function of snapshots. It never writes files, prints, or touches a device.
///
/// One instance sees one cell, from the first checkpoint to the last, in order. The instance is
/// called by one thread at a time, not always by the same one. The same checkpoints must give the
/// same findings, byte for byte: no clock, no unseeded random numbers, no iteration over hash maps.
pub trait Analysis: Sized + Send + 'static {
    /// The parameters that a spec may give, each with its default.
    type Config: Default + Serialize + DeserializeOwned + JsonSchema;

    /// The analysis's name, version, needs and cadence.
    const MANIFEST: Manifest;

    /// Checks parameters before anything is trained: ranges and combinations. Types and unknown
    /// names have been checked already.
    ///
    /// # Errors
    /// [`Failure::parameter`], which names the parameter.
    fn check(_config: &Self::Config) -> Result<(), Failure> {
        Ok(())
    }

    /// Starts on a cell.
    ///
    /// # Errors
    /// When the analysis cannot work on this task, with the reason.
    fn new(config: Self::Config, task: &Task) -> Result<Self, Failure>;

    /// Takes a snapshot and emits findings.
    ///
    /// The memory of `self` counts for the analysis: scalars are fine; tables of each snapshot
    /// belong in `out`, as findings or, if they are needed again, through [`Sink::keep`]. A long
    /// computation may be shared through rayon: a linked analysis is called in a pool of the host
    /// with a thread for each core where there are many, and none of these threads trains.
    ///
    /// # Errors
    /// When the analysis cannot continue. The instance is not called again, and the run continues
    /// without it.
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure>;

    /// Is called once after the last snapshot, to emit findings on the whole training.
    ///
    /// # Errors
    /// As for [`Analysis::observe`].
    fn finish(&mut self, _out: &mut dyn Sink) -> Result<(), Failure> {
        Ok(())
    }
}

/// Describes an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// the name of the analysis's table in a spec, in kebab-case
    pub name: &'static str,
    /// the version of the analysis; another version may give other findings
    pub version: &'static str,
    /// a summary of one line
    pub summary: &'static str,
    /// the definitions that are used, and their source; shown in the report
    pub definition: &'static str,
    /// the tensors that snapshots must contain, as patterns of their names: see
    /// [`FAMILIES`](crate::FAMILIES); only what some analysis needs is computed
    pub needs: &'static [&'static str],
    /// when the analysis is called, unless a spec's `every` says otherwise
    pub cadence: Cadence,
    /// the models that the analysis accepts; for other models a note says that it was not run
    pub scope: Scope,
}

/// The models that an analysis accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// one-layer transformers on [a, b, '='], with a causal softmax, ReLU or GELU neurons and no
    /// norms: the parameters and activations of the published model
    #[default]
    OneLayer,
    /// any model on pairs that has what the analysis needs: [`Model`](crate::Model) lists the
    /// layers
    Any,
}

/// When an analysis is called. In every case the first and the last checkpoint are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cadence {
    /// at each checkpoint of the spec
    #[default]
    Checkpoints,
    /// every this many epochs, at which checkpoints are then written too
    Every(u64),
    /// at the first and the last checkpoint only
    Ends,
}

impl Cadence {
    /// Returns the cadence as a spec's `every`: a number of epochs, 0 for the first and last
    /// checkpoint only, `None` for the cadence of the checkpoints.
    pub fn every(self) -> Option<u64> {
        match self {
            Cadence::Checkpoints => None,
            Cadence::Every(epochs) => Some(epochs),
            Cadence::Ends => Some(0),
        }
    }
}

impl Manifest {
    /// Describes an analysis without needs.
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

    /// Adds the definitions that the analysis uses, and their source.
    pub const fn definition(self, definition: &'static str) -> Manifest {
        Manifest { definition, ..self }
    }

    /// Sets the models that the analysis accepts.
    pub const fn scope(self, scope: Scope) -> Manifest {
        Manifest { scope, ..self }
    }

    /// Sets the cadence.
    pub const fn cadence(self, cadence: Cadence) -> Manifest {
        Manifest { cadence, ..self }
    }

    /// Sets the needs, patterns of names: `weight.*`, `blocks.0.mlp.hook_post`, `*.hook_pattern?`.
    pub const fn needs(self, needs: &'static [&'static str]) -> Manifest {
        Manifest { needs, ..self }
    }
}

/// Why an analysis failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// a parameter of the spec is wrong
    #[error("`{parameter}` {message}")]
    Parameter {
        /// the parameter's name, as a spec writes it
        parameter: String,
        /// the condition on the parameter: "must be above 0 and at most 1"
        message: String,
    },
    /// any other reason
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Returns the failure of a wrong parameter; the message continues from the parameter's name:
    /// "must be above 0".
    pub fn parameter(parameter: &str, message: impl Into<String>) -> Failure {
        Failure::Parameter {
            parameter: parameter.to_owned(),
            message: message.into(),
        }
    }

    /// Returns a failure for any other reason.
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
