//! Makes the JSON schema of specs, for editors.
//!
//! The schema is made from the same table of keys that specs are read with.
//! `specs/grokrun.schema.json` holds a copy; a test keeps it true.

use serde_json::{Value as Json, json};

use crate::field::Field as _;
use crate::keys;

/// Returns the JSON schema (draft 7) of a spec. Rules that relate two keys are not part of the
/// schema, for instance that an operation is defined for a modulus.
pub fn json_schema() -> Json {
    let mut schema = keys::TOP.schema();
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("grokrun spec");
    schema
}
