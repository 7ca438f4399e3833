//! Defines how an analysis asks for tensors: by patterns of their names.
//!
//! Owns which names a snapshot may have, and how a pattern matches. Knows nothing of what computes
//! the tensors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The families of names that a snapshot may have, each with what its tensors are.
///
/// A name of an activation is that of its hook in TransformerLens; the layers of an MLP are
/// `layers.0`, `layers.1`, … there. The tables are documented in doc/plugins.md.
pub const FAMILIES: [(&str, &str); 9] = [
    ("weight.*", "every parameter"),
    (
        "grad.*",
        "the gradient of the train loss by each trained parameter",
    ),
    ("loss.samples", "the loss of each training sample"),
    (
        "trained.*",
        "the trained parameters, with the train loss at any values of them",
    ),
    ("history.*", "losses and accuracies of all epochs so far"),
    (
        "*.hook_pattern",
        "attention from the last position over the full grid",
    ),
    ("*.hook_pre", "the neurons' inputs over the full grid"),
    ("*.hook_post", "the neurons' outputs over the full grid"),
    ("logits", "logits over the full grid"),
];

/// A pattern of names: `*` stands for any characters, also none. One that ends in `?` is optional:
/// an analysis is also shown models that have no such tensor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    /// without the mark of an optional one
    text: String,
    optional: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When no tensor of any model has a name of the pattern; and when it matches some of the
    /// `trained.` parameters, of which the train loss is a function only together.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (name, optional) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let known = FAMILIES.iter().any(|(family, _)| meet(name, family));
        let part = name.starts_with("trained.") && name != "trained.*";
        if !known || part || name.contains('?') {
            let families: Vec<&str> = FAMILIES.iter().map(|(family, _)| *family).collect();
            return Err(format!(
                "{text:?} is no name of a tensor that a snapshot may have; expected a name or a pattern of {}, with a ? at its end where a model need not have it",
                families.join(", ")
            ));
        }
        Ok(Pattern {
            text: name.to_owned(),
            optional,
        })
    }

    /// Returns whether a tensor's name is of this pattern.
    pub fn matches(&self, name: &str) -> bool {
        meet(&self.text, name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.optional { "?" } else { "" })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Pattern, String> {
        Pattern::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

/// Returns whether two patterns have a name in common; a name is a pattern without `*`.
fn meet(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    // For a place in the first pattern, whether what follows it has a name in common with what
    // follows each place in the second; from the last place to the first.
    let mut after = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let mut here = vec![false; other.len() + 1];
        for j in (0..=other.len()).rev() {
            here[j] = match (one.get(i), other.get(j)) {
                (None, None) => true,
                (Some(b'*'), _) => after[j] || j < other.len() && here[j + 1],
                (_, Some(b'*')) => here[j + 1] || i < one.len() && after[j],
                (Some(x), Some(y)) => x == y && after[j + 1],
                _ => false,
            };
        }
        after = here;
    }
    after[0]
}

/// What an analysis asks to be shown, or several analyses together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Needs(Vec<Pattern>);

impl Needs {
    /// Reads patterns.
    ///
    /// # Errors
    /// As for [`Pattern::parse`], with the first pattern that is none.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Needs, String> {
        let read = patterns.into_iter().map(Pattern::parse);
        read.collect::<Result<_, _>>().map(Needs)
    }

    /// Returns the needs that every tensor is of.
    pub fn all() -> Needs {
        Needs(vec![Pattern {
            text: "*".to_owned(),
            optional: false,
        }])
    }

    /// Returns whether a tensor is asked for.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns whether tensors of a family may be asked for, whatever the model: of `grad.*`, or
    /// another family that has no hooks.
    pub fn touches(&self, family: &str) -> bool {
        // The pattern "*.hook_post" has a name in common with "grad.*", which no parameter has.
        let of_hooks = |text: &str| {
            text.rsplit('.')
                .next()
                .is_some_and(|s| s.starts_with("hook_"))
        };
        let touches = |p: &Pattern| !of_hooks(&p.text) && meet(&p.text, family);
        self.0.iter().any(touches)
    }

    /// Returns whether the train loss has to be evaluated: for gradients, the losses of samples, or
    /// at whatever weights the analysis asks for.
    pub fn evaluate(&self) -> bool {
        let families = ["grad.*", "loss.samples", "trained.*"];
        families.iter().any(|family| self.touches(family))
    }

    /// Returns the first pattern that is not optional and matches none of these names.
    pub fn unmet<N: AsRef<str>>(&self, names: &[N]) -> Option<&Pattern> {
        let met = |pattern: &Pattern| names.iter().any(|name| pattern.matches(name.as_ref()));
        self.0.iter().find(|p| !p.optional && !met(p))
    }

    /// Returns the patterns, in the order of the manifest.
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Returns what either asks for.
    #[must_use]
    pub fn union(mut self, other: &Needs) -> Needs {
        for pattern in &other.0 {
            if !self.0.contains(pattern) {
                self.0.push(pattern.clone());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("logits", "logits", true),
            ("logits", "logits2", false),
            ("weight.*", "weight.embed.W_E", true),
            ("weight.*", "weight.", true),
            ("weight.*", "weights", false),
            ("*.hook_post", "blocks.1.mlp.hook_post", true),
            ("*.hook_post", "blocks.1.mlp.hook_post.x", false),
            ("blocks.*.mlp.*", "blocks.0.mlp.hook_pre", true),
            ("blocks.*.mlp.*", "blocks.0.attn.hook_pattern", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("a*a", "a", false),
            ("*", "anything", true),
            ("blocks.*", "*.hook_pre", true),
            ("layers.*.hook_pre", "*.hook_post", false),
            ("grad.*", "weight.*", false),
        ] {
            assert_eq!(meet(pattern, name), expected, "{pattern} {name}");
            assert_eq!(meet(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn a_pattern_of_no_tensor_is_refused() {
        for text in [
            "weight.*",
            "weight.embed.W_E",
            "grad.unembed.*",
            "trained.*",
            "blocks.1.attn.hook_pattern?",
            "layers.*.hook_pre",
            "blocks.*",
            "*",
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            let json = serde_json::to_string(&pattern).unwrap();
            assert_eq!(serde_json::from_str::<Pattern>(&json).unwrap(), pattern);
        }
        for text in ["weights", "hook_post", "trained.embed.W_E", "lo?its", ""] {
            let why = Pattern::parse(text).unwrap_err();
            assert!(why.contains("*.hook_post, logits"), "{why}");
        }
    }

    #[test]
    fn what_a_model_lacks_is_named_unless_it_is_optional() {
        let needs = Needs::parse(["*.hook_pattern?", "*.hook_post", "logits"]).unwrap();
        let mlp = ["layers.0.hook_post", "logits"];
        assert_eq!(needs.unmet(&mlp), None);
        let unmet = needs.unmet(&["logits"]).map(ToString::to_string);
        assert_eq!(unmet.as_deref(), Some("*.hook_post"));
        let both = needs.union(&Needs::parse(["logits", "weight.*"]).unwrap());
        assert_eq!(both.patterns().len(), 4);
        assert!(both.has("weight.embed.W_E") && !both.has("grad.embed.W_E"));
        assert!(both.touches("weight.*") && !both.evaluate());
        let gradient = Needs::parse(["grad.embed.*"]).unwrap();
        assert!(gradient.evaluate() && !gradient.touches("trained.*"));
        assert!(Needs::all().has("history.test_loss") && Needs::all().touches("trained.*"));
        assert!(Needs::default().patterns().is_empty());
    }
}
