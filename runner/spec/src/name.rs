//! Reads the run's name, which is also the name of a folder.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Reader, Want, wrong_type};
use crate::source::{Span, excerpt};

/// The length of the longest name in bytes: file systems allow 255, and temporary names are longer.
const LONGEST: usize = 200;

/// The characters that some system does not allow in a folder's name.
const FORBIDDEN: &str = r#"/\:*?"<>|"#;

const EXPECTED: &str = "a name for a folder, as in \"mult113\"";

/// The field of a text that can name a folder on every system.
#[derive(Debug)]
pub(crate) struct FolderName {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
}

impl Field for FolderName {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": r#"^[^/\\:*?"<>|]+$"#,
        })
    }
}

impl FolderName {
    /// Reads the name; returns `None` after a mistake.
    pub(crate) fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
        let Value::String(name) = &node.value else {
            wrong_type(self.path, Want::Text, EXPECTED, node, reader);
            return None;
        };
        if let Some(objection) = objection(name) {
            reader
                .report
                .error(node.span, format!("`{}` must be {EXPECTED}", self.path))
                .label(objection);
            return None;
        }
        Some(name.clone())
    }

    /// Returns the name of a spec without one: that of its file. `end` is where a name could be
    /// added.
    pub(crate) fn of_file(
        &self,
        path: &Path,
        end: Span,
        reader: &mut Reader<'_>,
    ) -> Option<String> {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let objection = match stem {
            None => Some("it has no name that can be written as text".to_owned()),
            Some(stem) => objection(stem),
        };
        if let Some(objection) = objection {
            let shown = excerpt(&stem.map_or_else(|| path.display().to_string(), str::to_owned));
            reader
                .report
                .missing(
                    end,
                    format!("the run has no name, and the file's (`{shown}`) will not do"),
                )
                .label(objection)
                .add_help("for example: name = \"mult113\"");
            return None;
        }
        stem.map(str::to_owned)
    }
}

/// Returns why `name` cannot name a folder, or `None` if it can.
fn objection(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("empty".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!(
            "{} bytes long; at most {LONGEST} are possible",
            name.len()
        ));
    }
    if matches!(name, "." | "..") {
        return Some("this means a folder that exists already".to_owned());
    }
    if name.contains(char::is_control) {
        return Some("it has a control character in it".to_owned());
    }
    if let Some(found) = name.chars().find(|found| FORBIDDEN.contains(*found)) {
        return Some(format!("`{found}` can't be part of a folder's name"));
    }
    if name.starts_with(char::is_whitespace)
        || name.ends_with(|last: char| last == '.' || last.is_whitespace())
    {
        return Some("it begins with a space, or ends with one or with a dot".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_distinguished_from_others() {
        for good in [
            "mult113",
            "a b",
            ".hidden",
            "α",
            "x.y",
            "-",
            &"x".repeat(LONGEST),
        ] {
            assert_eq!(objection(good), None, "{good:?}");
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in [
            "", " ", ".", "..", "a/b", "a\\b", "a\nb", "\0", "C:x", " x", "x ", "x.", &long,
        ] {
            assert!(objection(bad).is_some(), "{bad:?}");
        }
    }
}
