//! Reads the field `train.sphere`: the norm that the weights keep.

use grokrun_program::Sphere;
use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Listing, Read, Reader};
use crate::keys;
use crate::number::Number;
use crate::table::{Section, Table};

/// The field of a multiple of the initial norm, or of a table that says whose norm it is.
pub(crate) struct SphereField {
    /// The field of the multiple alone, with path and description.
    pub(crate) multiple: Number,
    pub(crate) table: &'static Table,
}

impl Field for SphereField {
    fn path(&self) -> &'static str {
        self.multiple.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.multiple.about,
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0 },
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
}

impl Read for SphereField {
    type Out = Option<Sphere>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Option<Sphere> {
        if !matches!(node.value, Value::Table(_)) {
            let multiple = self.multiple.check(self.path(), node, reader)?;
            return Some(Sphere {
                multiple,
                each: false,
            });
        }
        let section = Section::open(self.table, Some(node), reader);
        let each = section.read(&keys::SPHERE_EACH, reader);
        let multiple = section.node(&keys::SPHERE_MULTIPLE)?;
        let multiple = keys::SPHERE_MULTIPLE.check(keys::SPHERE_MULTIPLE.path, multiple, reader)?;
        Some(Sphere { multiple, each })
    }

    fn absent(&self) -> Option<Sphere> {
        None
    }
}

/// Returns the sphere as TOML.
pub(crate) fn toml(sphere: &Sphere) -> String {
    if sphere.each {
        format!("{{ multiple = {:?}, each = true }}", sphere.multiple)
    } else {
        format!("{:?}", sphere.multiple)
    }
}
