//! `run.json`: what makes a folder a run, and whose run it is.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cell::write_json;
use crate::{ErrorKind, StoreError, VERSION, regular, seal};

pub(super) const NAME: &str = "run.json";

/// The layout of the run directory and the formats of its files. History:
///
/// 1. The first.
const FORMAT: u64 = 1;

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`FORMAT`] of the version that created the run
    format: u64,
    /// The run's name; the folder may have been renamed since.
    name: String,
    /// Of the spec's meaning: equal for two specs that train the same cells.
    pub(super) fingerprint: String,
    /// The version that created the run.
    grokrun: String,
    /// An older run's files are being deleted: whatever else is in the folder is not this run's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) clearing: bool,
    /// The run is being made longer: the spec that lies in the folder may still be the shorter one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lengthening: bool,
}

impl Manifest {
    pub(super) fn new(name: &str, fingerprint: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            name: name.to_owned(),
            fingerprint: fingerprint.to_owned(),
            grokrun: VERSION.to_owned(),
            clearing: false,
            lengthening: false,
        }
    }

    /// The run's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Of the spec's meaning.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The same while an older run's files are being deleted.
    pub(super) fn clearing(&self) -> Manifest {
        Manifest {
            clearing: true,
            ..self.clone()
        }
    }

    /// The same while the run is made longer by the spec of this fingerprint; whose run it is, and
    /// who created it, stays.
    pub(super) fn lengthening(&self, fingerprint: &str) -> Manifest {
        Manifest {
            fingerprint: fingerprint.to_owned(),
            lengthening: true,
            ..self.clone()
        }
    }

    /// The same once it is longer.
    pub(super) fn lengthened(&self) -> Manifest {
        Manifest {
            lengthening: false,
            ..self.clone()
        }
    }

    /// Whether a process was about to make the run longer when it ended.
    pub(crate) fn is_lengthening(&self) -> bool {
        self.lengthening
    }

    /// Whether the folder is becoming another run's, or a longer one's: its files may be of either.
    pub(super) fn is_in_between(&self) -> bool {
        self.clearing || self.lengthening
    }

    /// The manifest in a folder; `None` if the folder is not a run yet.
    pub(crate) fn read(run: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = run.join(NAME);
        let text = match regular::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("cannot read", &path, &error)),
        };
        let damaged = |why: String| {
            let remedy = "restore the file, or move the folder away";
            StoreError::altered(&path, why, remedy)
        };
        // A newer format may have other fields, and its digest elsewhere.
        let json = match seal::from_json(&text) {
            Err(_) if !seal::is_sealed_json(&text) => serde_json::from_slice(&text).ok(),
            read => read.ok(),
        };
        if let Some(json) = json
            && let Some(format) = json["format"].as_u64().filter(|format| *format > FORMAT)
        {
            return Err(newer(&path, format, &json["grokrun"]));
        }
        let json = seal::from_json(&text).map_err(damaged)?;
        serde_json::from_value(json)
            .map(Some)
            .map_err(|error| damaged(error.to_string()))
    }

    pub(super) fn write(&self, run: &Path) -> Result<(), StoreError> {
        write_json(&run.join(NAME), self)
    }
}

fn newer(path: &Path, format: u64, version: &Value) -> StoreError {
    let version = version.as_str().unwrap_or("of an unknown version");
    let message = format!(
        "{} is of format {format}, written by a newer grokrun ({version}); grokrun {VERSION} knows \
         formats up to {FORMAT}: use the newer one",
        path.display()
    );
    StoreError::new(ErrorKind::NewerFormat, path, message)
}
