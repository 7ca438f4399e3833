//! Which analyses there are, and from where.

use std::fmt;
use std::path::PathBuf;

use grokrun_api::{Failure, Instance, Need, Registration, Task};
use serde_json::{Map, Value};

/// How an analysis came to be here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// linked into the program
    Linked,
    /// loaded from this shared library
    Loaded(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Linked => f.write_str("static"),
            Origin::Loaded(path) => write!(f, "dynamic, {}", path.display()),
        }
    }
}

/// An analysis that was found.
#[derive(Clone)]
pub struct Found {
    name: String,
    version: String,
    summary: String,
    package: String,
    needs: Vec<Need>,
    schema: Value,
    origin: Origin,
    registration: Registration,
}

impl Found {
    fn linked(registration: &Registration) -> Found {
        let manifest = registration.manifest();
        Found {
            name: manifest.name.to_owned(),
            version: manifest.version.to_owned(),
            summary: manifest.summary.to_owned(),
            package: registration.package().to_owned(),
            needs: manifest.needs.to_vec(),
            schema: registration.schema(),
            origin: Origin::Linked,
            registration: *registration,
        }
    }

    /// In kebab-case: the name of its table in a spec.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of the analysis.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// One line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The crate it is from.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// What it has to be shown.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// The JSON schema of its parameters.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// How it came to be here.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Judges parameters.
    ///
    /// # Errors
    /// The first that it refuses.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        self.registration.check(parameters)
    }

    /// Starts it on a cell.
    ///
    /// # Errors
    /// When it refuses the parameters or the task.
    pub fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        self.registration.create(parameters, task)
    }
}

/// All analyses that were found, and what was found wrong on the way.
#[derive(Default)]
pub struct Registry {
    found: Vec<Found>,
    warnings: Vec<String>,
}

impl Registry {
    /// Those that are linked into this program.
    pub fn linked() -> Registry {
        let mut registry = Registry::default();
        for registration in Registration::linked() {
            registry.add(Found::linked(registration));
        }
        registry
    }

    /// By name.
    pub fn all(&self) -> &[Found] {
        &self.found
    }

    /// The analysis of that name.
    pub fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name == name)
    }

    /// Sentences on what was left out and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Of two with one name the linked one stays, then the one that came first.
    fn add(&mut self, found: Found) {
        match self.find(&found.name) {
            None => {
                let at = self.found.partition_point(|other| other.name < found.name);
                self.found.insert(at, found);
            }
            Some(kept) => {
                let warning = format!(
                    "analysis {} is in {} ({}) and in {} ({}); the first is used",
                    found.name, kept.package, kept.origin, found.package, found.origin
                );
                self.warnings.push(warning);
            }
        }
    }
}
