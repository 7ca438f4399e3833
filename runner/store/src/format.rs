//! The number of the format that a file of JSON has under `format`; a file without one is of the
//! first.

use serde_json::Value;

/// Checks the number before anything else of the file is read: a newer file may have other fields.
///
/// # Errors
/// When the number is above `known`.
pub(crate) fn check(json: &Value, known: u32) -> Result<(), String> {
    match json["format"].as_u64().filter(|n| *n > u64::from(known)) {
        Some(format) => Err(format!(
            "it has format {format}; expected at most {known}: a newer grokrun wrote it"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        for known in [json!({}), json!({ "format": 1 }), json!({ "format": 2 })] {
            assert_eq!(check(&known, 2), Ok(()));
        }
        let why = check(&json!({ "format": 3, "other": 1 }), 2).unwrap_err();
        assert!(why.contains("format 3; expected at most 2"), "{why}");
    }
}
