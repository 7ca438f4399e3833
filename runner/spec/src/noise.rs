//! Reads the field `data.label_noise`: training labels that are redrawn.

use serde_json::{Value as Json, json};

use crate::axis::{Element as _, Point as _};
use crate::document::{Node, Value};
use crate::field::{Field, Listing, Read, Reader};
use crate::keys;
use crate::number::Number;
use crate::table::{Section, Table};

/// Training labels that are redrawn, as in the code of Doshi et al. 2023.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The share of the training labels that are redrawn, from 0 to 1; the number of labels is
    /// rounded down.
    pub share: f64,
    /// The seed of the draws.
    pub seed: i64,
}

impl Noise {
    /// No label is redrawn.
    pub const NONE: Noise = Noise {
        share: 0.0,
        seed: 0,
    };

    /// Returns the noise as TOML.
    pub(crate) fn toml(&self) -> String {
        match self.seed {
            0 => self.share.toml(),
            seed => format!("{{ share = {}, seed = {seed} }}", self.share.toml()),
        }
    }
}

/// The field of a share, or of a table that has the seed too.
pub(crate) struct NoiseField {
    /// The field of the share alone, with path and description.
    pub(crate) share: Number,
    pub(crate) table: &'static Table,
}

impl Field for NoiseField {
    fn path(&self) -> &'static str {
        self.share.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.share.about,
            "default": 0,
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1 },
                self.table.schema(),
            ],
        })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }

    fn inner(&'static self) -> Option<&'static Table> {
        Some(self.table)
    }

    fn numbers(&self) -> crate::field::Numbers {
        crate::field::Numbers::Real
    }
}

impl Read for NoiseField {
    type Out = Noise;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Noise {
        let noise = match node.value {
            Value::Table(_) => {
                let section = Section::open(self.table, Some(node), reader);
                let share = section.node(&keys::NOISE_SHARE);
                let share = share
                    .and_then(|node| keys::NOISE_SHARE.check(keys::NOISE_SHARE.path, node, reader));
                let seed = section.node(&keys::NOISE_SEED);
                let seed = seed.and_then(|node| keys::NOISE_SEED.element(node, reader));
                share.zip(seed)
            }
            _ => self
                .share
                .check(self.path(), node, reader)
                .map(|share| (share, 0)),
        };
        noise.map_or(Noise::NONE, |(share, seed)| Noise { share, seed })
    }

    fn absent(&self) -> Noise {
        Noise::NONE
    }
}
