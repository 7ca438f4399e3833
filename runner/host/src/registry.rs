//! Which analyses there are, and from where.

use std::env::consts::DLL_EXTENSION;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use grokrun_api::abi::ENTRY_PREFIX;
use grokrun_api::{Failure, Instance, Need, Registration, Task};
use serde_json::{Map, Value};

use crate::described::Described;
#[cfg(unix)]
use crate::isolated::IsolatedAnalysis;
use crate::isolation::Isolation;
use crate::loaded::{self, LoadedAnalysis};
use crate::member::words;

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
    about: Described,
    origin: Origin,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Linked(Registration),
    Loaded(LoadedAnalysis),
    #[cfg(unix)]
    Isolated(IsolatedAnalysis),
}

impl Found {
    pub(crate) fn linked(registration: &Registration) -> Found {
        Found {
            about: Described::linked(registration),
            origin: Origin::Linked,
            source: Source::Linked(*registration),
        }
    }

    fn loaded(analysis: LoadedAnalysis, path: &Path) -> Found {
        Found {
            about: analysis.about.clone(),
            origin: Origin::Loaded(path.to_owned()),
            source: Source::Loaded(analysis),
        }
    }

    #[cfg(unix)]
    fn isolated(analysis: IsolatedAnalysis, path: &Path) -> Found {
        Found {
            about: analysis.about.clone(),
            origin: Origin::Loaded(path.to_owned()),
            source: Source::Isolated(analysis),
        }
    }

    /// In kebab-case: the name of its table in a spec.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Of the analysis.
    pub fn version(&self) -> &str {
        &self.about.version
    }

    /// One line.
    pub fn summary(&self) -> &str {
        &self.about.summary
    }

    /// Which definitions it uses, and their source; may be empty.
    pub fn definition(&self) -> &str {
        &self.about.definition
    }

    /// The crate it is from.
    pub fn package(&self) -> &str {
        &self.about.package
    }

    /// What it has to be shown.
    pub fn needs(&self) -> &[Need] {
        &self.about.needs
    }

    /// Its own cadence, in epochs (0: first and last only); none for that of the checkpoints.
    pub fn every(&self) -> Option<u64> {
        self.about.every
    }

    /// The JSON schema of its parameters.
    pub fn schema(&self) -> &Value {
        &self.about.schema
    }

    /// How it came to be here.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Judges parameters.
    ///
    /// # Errors
    /// The first that it refuses; also if it panics.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        caught(|| match &self.source {
            Source::Linked(registration) => registration.check(parameters),
            Source::Loaded(analysis) => analysis.check(parameters),
            #[cfg(unix)]
            Source::Isolated(analysis) => analysis.check(parameters),
        })
    }

    /// Starts it on a cell.
    ///
    /// # Errors
    /// When it refuses the parameters or the task; also if it panics.
    pub fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        caught(|| match &self.source {
            Source::Linked(registration) => registration.create(parameters, task),
            Source::Loaded(analysis) => analysis.create(parameters, task),
            #[cfg(unix)]
            Source::Isolated(analysis) => analysis.create(parameters, task),
        })
    }
}

/// All analyses that were found, and what was found wrong on the way.
#[derive(Default)]
pub struct Registry {
    found: Vec<Found>,
    warnings: Vec<String>,
    failures: Vec<String>,
    /// where the analyses of libraries are called in processes of their own: how
    isolation: Option<Isolation>,
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

    /// Those that are linked, then those in shared libraries.
    pub fn discover(search: &Search) -> Registry {
        // From here on an analysis may end this process.
        loaded::watch();
        let mut registry = Registry::linked();
        registry.isolation = search.isolation.clone();
        for file in &search.files {
            match loaded::exports(file) {
                Ok(symbols) if symbols.is_empty() => registry.failures.push(format!(
                    "{}: is no plugin of grokrun: {}",
                    file.display(),
                    loaded::why_no_plugin(file)
                )),
                _ => registry.load(file),
            }
        }
        for folder in &search.folders {
            for file in registry.libraries(folder) {
                registry.load(&file);
            }
        }
        if let Some(beside) = &search.beside {
            registry.beside(beside);
        }
        registry
    }

    /// By name.
    pub fn all(&self) -> &[Found] {
        &self.found
    }

    /// The analysis of that name.
    pub fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name() == name)
    }

    /// Sentences on what was left out and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sentences on plugins that are there and cannot be used.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    fn load(&mut self, file: &Path) {
        if let Some(isolation) = self.isolation.clone() {
            return self.load_isolated(&isolation, file);
        }
        loaded::expect_libraries();
        match loaded::open(file) {
            Ok(analyses) => {
                for analysis in analyses {
                    self.add(Found::loaded(analysis, file));
                }
            }
            Err(error) => self.failures.push(error.to_string()),
        }
    }

    #[cfg(unix)]
    fn load_isolated(&mut self, isolation: &Isolation, file: &Path) {
        match isolation.open(file) {
            Ok(analyses) => {
                for analysis in analyses {
                    self.add(Found::isolated(analysis, file));
                }
            }
            Err(why) => self.failures.push(format!("{}: {why}", file.display())),
        }
    }

    #[cfg(not(unix))]
    fn load_isolated(&mut self, _: &Isolation, file: &Path) {
        self.failures.push(format!(
            "{}: is not loaded: there are no processes of their own for plugins on this system; expected no --isolate",
            file.display()
        ));
    }

    /// The libraries beside the executable: those of the crates in `plugins/`, where that is known.
    fn beside(&mut self, beside: &Beside) {
        let linked: Vec<String> = self.found.iter().map(|f| crate_name(f.package())).collect();
        let sources = beside.sources.as_deref().map(packages);
        let mut built = Vec::new();
        for file in self.libraries(&beside.folder) {
            let crates = loaded::exports(&file).unwrap_or_default();
            let crates = crates.iter().filter_map(|s| s.strip_prefix(ENTRY_PREFIX));
            let crates: Vec<String> = crates.map(str::to_owned).collect();
            // One that is linked is the same source again.
            if crates.is_empty() || crates.iter().all(|name| linked.contains(name)) {
                continue;
            }
            let known = |name: &String| match &sources {
                Some(sources) => sources.iter().any(|package| crate_name(package) == *name),
                None => true,
            };
            if !crates.iter().all(known) {
                self.warnings.push(format!(
                    "{} is not loaded: its crate is not in plugins/ any more; delete the file, or name it with --plugin",
                    file.display()
                ));
                continue;
            }
            built.extend(crates);
            self.load(&file);
        }
        for package in sources.unwrap_or_default() {
            let name = crate_name(&package);
            if !linked.contains(&name) && !built.contains(&name) {
                self.warnings.push(format!(
                    "plugins/{package} is not built; `cargo build --release -p {package}` builds it"
                ));
            }
        }
    }

    /// The shared libraries in a folder, by name.
    fn libraries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let why = format!("the folder {} cannot be read: {error}", folder.display());
                self.failures.push(why);
                return Vec::new();
            }
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some(OsStr::new(DLL_EXTENSION)))
            .collect();
        files.sort();
        files
    }

    /// Of two with one name the linked one stays, then the one that came first.
    fn add(&mut self, found: Found) {
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !found.name().starts_with(|c: char| c.is_ascii_lowercase())
            || !found.name().chars().all(kebab)
        {
            self.failures.push(format!(
                "analysis {:?} of {} ({}) has no name in kebab-case",
                found.name(),
                found.package(),
                found.origin
            ));
            return;
        }
        match self.find(found.name()) {
            None => {
                let at = self
                    .found
                    .partition_point(|other| other.name() < found.name());
                self.found.insert(at, found);
            }
            Some(kept) => {
                let warning = format!(
                    "analysis {} is in {} ({}) and in {} ({}); the first is used",
                    found.name(),
                    kept.package(),
                    kept.origin,
                    found.package(),
                    found.origin
                );
                self.warnings.push(warning);
            }
        }
    }
}

/// Where to look for shared libraries.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// these files
    pub files: Vec<PathBuf>,
    /// all in these folders
    pub folders: Vec<PathBuf>,
    /// those of the executable
    pub beside: Option<Beside>,
    /// to call them in processes of their own: how
    pub isolation: Option<Isolation>,
}

/// Where cargo puts the libraries of `plugins/`.
#[derive(Clone, Debug)]
pub struct Beside {
    /// the executable's folder
    pub folder: PathBuf,
    /// `plugins/` of the checkout that it was built from, if that is still there
    pub sources: Option<PathBuf>,
}

/// The packages in the folders of `plugins/`.
pub fn packages(folder: &Path) -> Vec<String> {
    let name = |manifest: PathBuf| -> Option<String> {
        let text = fs::read_to_string(manifest).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("name"))?;
        Some(line.split('"').nth(1)?.to_owned())
    };
    let mut packages: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| name(entry.ok()?.path().join("Cargo.toml")))
        .collect();
    packages.sort();
    packages
}

/// A package as Rust names its crate.
pub fn crate_name(package: &str) -> String {
    package.replace('-', "_")
}

/// A panic of a linked analysis is a failure like any other.
fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let words = words(&*panic);
        Err(Failure::new(format!("it panicked: {words}")))
    })
}
