//! Holds the description that an analysis gives of itself, however it was found.

use grokrun_api::serde::{Deserialize, Serialize};
use grokrun_api::{Needs, Reads, Registration, Scope};
use serde_json::Value;

/// Names an analysis and its needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub struct Described {
    /// its name in kebab-case, which is that of its table in a spec
    pub name: String,
    /// its version
    pub version: String,
    /// its summary, one line
    pub summary: String,
    /// which definitions the analysis uses, and their source; may be empty
    pub definition: String,
    /// the crate that the analysis is from
    pub package: String,
    /// what a snapshot has to show it
    pub needs: Needs,
    /// its own cadence, in epochs (0: first and last only); none for that of the checkpoints
    pub every: Option<u64>,
    /// which models it is shown
    pub scope: Scope,
    /// the JSON schema of its parameters
    pub schema: Value,
    /// which analyses of the cells an analysis of a whole sweep reads; none for one of a cell
    #[serde(default)]
    pub sweep: Option<SweepReads>,
}

/// Names the analyses of the cells that an analysis of a sweep reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub enum SweepReads {
    /// those of these names
    Named(Vec<String>),
    /// all that a cell has
    All,
}

impl SweepReads {
    /// Returns whether it reads this analysis.
    pub fn has(&self, analysis: &str) -> bool {
        match self {
            SweepReads::Named(names) => names.iter().any(|name| name == analysis),
            SweepReads::All => true,
        }
    }

    /// Reads what the description of an analysis says of a sweep; null says that it looks at a
    /// cell.
    fn described(sweep: &Value) -> Result<Option<SweepReads>, String> {
        match &sweep["reads"] {
            _ if sweep.is_null() => Ok(None),
            Value::String(word) if word == "all" => Ok(Some(SweepReads::All)),
            Value::Array(names) => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                let names = names.collect::<Option<_>>();
                names.map(SweepReads::Named).map(Some).ok_or_else(|| {
                    format!("it reads {sweep}; expected names of analyses, or the word all")
                })
            }
            _ => Err(format!(
                "it reads {sweep}; expected names of analyses, or the word all"
            )),
        }
    }
}

impl Described {
    /// Describes a linked analysis.
    ///
    /// # Errors
    /// If it needs what no snapshot shows.
    pub(crate) fn linked(registration: &Registration) -> Result<Described, String> {
        let manifest = registration.manifest();
        let needs = Needs::parse(manifest.needs.iter().copied())
            .map_err(|why| format!("its analysis {}: {why}", manifest.name))?;
        Ok(Described {
            name: manifest.name.to_owned(),
            version: manifest.version.to_owned(),
            summary: manifest.summary.to_owned(),
            definition: manifest.definition.to_owned(),
            package: registration.package().to_owned(),
            needs,
            every: manifest.cadence.every(),
            scope: manifest.scope,
            schema: registration.schema(),
            sweep: registration.reads().map(|reads| match reads {
                Reads::Nothing => SweepReads::Named(Vec::new()),
                Reads::Named(names) => {
                    SweepReads::Named(names.iter().map(|name| (*name).to_owned()).collect())
                }
                Reads::All => SweepReads::All,
            }),
        })
    }

    /// Reads the description of the analysis with that index across the plugin interface.
    ///
    /// # Errors
    /// If something is missing, or the analysis needs what this grokrun cannot show.
    pub(crate) fn read(
        description: &Value,
        package: &str,
        index: u32,
    ) -> Result<Described, String> {
        let text = |key: &str| match description[key].as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("analysis {index} of it has no {key}")),
        };
        let name = text("name")?;
        let needs = description["needs"].as_array();
        let needs = needs.ok_or_else(|| format!("its analysis {name} has no needs"))?;
        let needs = needs.iter().map(|need| need.as_str().unwrap_or_default());
        let needs = Needs::parse(needs).map_err(|why| {
            format!("its analysis {name} needs what this grokrun cannot show; use a newer one, or mend it: {why}")
        })?;
        let scope = Scope::deserialize(&description["scope"])
            .map_err(|why| format!("the scope of its analysis {name} is none: {why}"))?;
        Ok(Described {
            version: text("version")?,
            summary: text("summary")?,
            definition: description["definition"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            package: package.to_owned(),
            needs,
            every: description["every"].as_u64(),
            scope,
            schema: description["schema"].clone(),
            sweep: SweepReads::described(&description["sweep"])
                .map_err(|why| format!("of its analysis {name}: {why}"))?,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_says_what_is_shown_to_it() {
        let mut text = json!({
            "name": "a", "version": "1", "summary": "s", "needs": ["*.hook_post"], "scope": "any",
        });
        let read = |text: &Value| Described::read(text, "p", 0);
        let about = read(&text).unwrap();
        assert_eq!(
            (about.needs.has("logits"), about.scope),
            (false, Scope::Any)
        );
        text["scope"] = json!("two-layers");
        assert!(read(&text).unwrap_err().contains("one-layer"));
        text["needs"] = json!(["hook_post"]);
        assert!(read(&text).unwrap_err().contains("*.hook_post, logits"));
        text["needs"] = json!(null);
        assert!(read(&text).unwrap_err().contains("has no needs"));
    }
}
