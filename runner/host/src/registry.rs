//! Finds the analyses that there are, and says where each is from.

use std::env::consts::DLL_EXTENSION;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use grokrun_api::abi::ENTRY_PREFIX;
use grokrun_api::{Failure, Instance, Needs, Registration, Scope, SweepCell, Task};
use serde_json::{Map, Value};

use crate::described::{Described, SweepReads};
#[cfg(unix)]
use crate::isolated::IsolatedAnalysis;
use crate::isolation::{Isolation, Python};
use crate::loaded::{self, LoadedAnalysis};
use crate::member::words;
#[cfg(unix)]
use crate::python::PythonAnalysis;
use crate::search::{Beside, Script, Search, Unusable};

/// Says how an analysis was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// linked into the program
    Linked,
    /// loaded from this shared library
    Loaded(PathBuf),
    /// called in this file of Python
    Python(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Linked => f.write_str("static"),
            Origin::Loaded(path) => write!(f, "dynamic, {}", path.display()),
            Origin::Python(path) => write!(f, "Python, {}", path.display()),
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
    #[cfg(unix)]
    Python(PythonAnalysis),
}

impl Found {
    /// # Errors
    /// If it does not describe itself properly.
    pub(crate) fn linked(registration: &Registration) -> Result<Found, String> {
        Ok(Found {
            about: Described::linked(registration)?,
            origin: Origin::Linked,
            source: Source::Linked(*registration),
        })
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

    #[cfg(unix)]
    fn python(analysis: PythonAnalysis, path: &Path) -> Found {
        Found {
            about: analysis.about.clone(),
            origin: Origin::Python(path.to_owned()),
            source: Source::Python(analysis),
        }
    }

    /// Returns its name in kebab-case, which is that of its table in a spec.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Returns its version.
    pub fn version(&self) -> &str {
        &self.about.version
    }

    /// Returns its summary, one line.
    pub fn summary(&self) -> &str {
        &self.about.summary
    }

    /// Returns which definitions it uses, and their source; may be empty.
    pub fn definition(&self) -> &str {
        &self.about.definition
    }

    /// Returns the crate that it is from.
    pub fn package(&self) -> &str {
        &self.about.package
    }

    /// Returns what a snapshot has to show it.
    pub fn needs(&self) -> &Needs {
        &self.about.needs
    }

    /// Returns which models it is shown.
    pub fn scope(&self) -> Scope {
        self.about.scope
    }

    /// Returns its own cadence, in epochs (0: first and last only); none for that of the
    /// checkpoints.
    pub fn every(&self) -> Option<u64> {
        self.about.every
    }

    /// Returns the JSON schema of its parameters.
    pub fn schema(&self) -> &Value {
        &self.about.schema
    }

    /// Returns which analyses of the cells it reads, if it looks at a whole sweep; none if it looks
    /// at a cell.
    pub fn sweep(&self) -> Option<&SweepReads> {
        self.about.sweep.as_ref()
    }

    /// Says how it was found.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Checks parameters.
    ///
    /// # Errors
    /// The first parameter that the analysis refuses; also if it panics.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        caught(|| match &self.source {
            Source::Linked(registration) => registration.check(parameters),
            Source::Loaded(analysis) => analysis.check(parameters),
            #[cfg(unix)]
            Source::Isolated(analysis) => analysis.check(parameters),
            #[cfg(unix)]
            Source::Python(analysis) => analysis.check(parameters),
        })
    }

    /// Starts the analysis on a cell.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the task; also if it panics.
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
            #[cfg(unix)]
            Source::Python(analysis) => analysis.create(parameters, task),
        })
    }

    /// Starts the analysis on a sweep of these cells.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the sweep; also if it panics.
    pub fn create_sweep(
        &self,
        parameters: &Map<String, Value>,
        cells: &[SweepCell],
    ) -> Result<Box<dyn Instance>, Failure> {
        caught(|| match &self.source {
            Source::Linked(registration) => registration.create_sweep(parameters, cells.to_vec()),
            Source::Loaded(analysis) => analysis.create_sweep(parameters, cells),
            #[cfg(unix)]
            Source::Isolated(analysis) => analysis.create_sweep(parameters, cells),
            #[cfg(unix)]
            Source::Python(_) => Err(Failure::new(
                "it looks at a cell, and was started on a sweep",
            )),
        })
    }
}

/// Holds all analyses that were found, and what was wrong with others.
#[derive(Default)]
pub struct Registry {
    found: Vec<Found>,
    warnings: Vec<String>,
    failures: Vec<String>,
    unusable: Vec<Unusable>,
    /// how to call the analyses of libraries in processes of their own, if they are
    isolation: Option<Isolation>,
}

impl Registry {
    /// Returns the analyses that are linked into this program.
    pub fn linked() -> Registry {
        let mut registry = Registry::default();
        for registration in Registration::linked() {
            match Found::linked(registration) {
                Ok(found) => registry.add(found),
                Err(why) => {
                    let package = registration.package();
                    registry.failures.push(format!("{package}: {why}"));
                }
            }
        }
        registry
    }

    /// Finds the linked analyses, then those in shared libraries.
    pub fn discover(search: &Search) -> Registry {
        // From here on an analysis may end this process.
        loaded::watch();
        let mut registry = Registry::linked();
        registry.isolation = search.isolation.clone();
        for file in &search.files {
            if file.extension() == Some(OsStr::new("py")) {
                registry.load_python(&search.python, file);
                continue;
            }
            match loaded::exports(file) {
                Ok(symbols) if symbols.is_empty() => registry.failures.push(format!(
                    "{}: is no plugin of grokrun: {}",
                    file.display(),
                    loaded::why_no_plugin(file)
                )),
                _ => registry.load(file),
            }
        }
        for script in &search.scripts {
            registry.add_python(&search.python, script);
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

    /// Returns all analyses, sorted by name.
    pub fn all(&self) -> &[Found] {
        &self.found
    }

    /// Returns the analysis of that name.
    pub fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name() == name)
    }

    /// Returns sentences on what was left out and why.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns sentences on plugins that are there and cannot be used.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Returns which of the analyses that were asked for by name cannot be used, and why.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// Adds the analysis of a file of Python, which has the file's name.
    fn load_python(&mut self, python: &Python, file: &Path) {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        match open_python(python, &stem.replace('_', "-"), file) {
            Ok(found) => self.add(found),
            Err(why) => self.failures.push(format!("{}: {why}", file.display())),
        }
    }

    /// Adds the analysis that a spec has in a file of Python.
    fn add_python(&mut self, python: &Python, Script { name, file }: &Script) {
        let opened = match self.find(name) {
            Some(taken) => Err(Failure::new(format!(
                "there is an analysis {name} already, of {} ({}); another name of the table is free",
                taken.package(),
                taken.origin
            ))),
            None => open_python(python, name, file),
        };
        match opened {
            Ok(found) => self.add(found),
            Err(why) => self.unusable.push(Unusable {
                name: name.clone(),
                why: why.to_string(),
            }),
        }
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

    /// Loads the libraries beside the executable: those of the crates in `plugins/`, where that is
    /// known.
    fn beside(&mut self, beside: &Beside) {
        let linked: Vec<String> = self.found.iter().map(|f| crate_name(f.package())).collect();
        let sources = beside.sources.as_deref().map(packages);
        let mut built = Vec::new();
        for file in self.libraries(&beside.folder) {
            let crates = loaded::exports(&file).unwrap_or_default();
            let crates = crates.iter().filter_map(|s| s.strip_prefix(ENTRY_PREFIX));
            let crates: Vec<String> = crates.map(str::to_owned).collect();
            // A linked crate is the same source again.
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

    /// Returns the shared libraries in a folder, sorted by name.
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

    /// Adds an analysis. Of two with one name the linked one stays, then the one that came first.
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

#[cfg(unix)]
fn open_python(python: &Python, name: &str, file: &Path) -> Result<Found, Failure> {
    let analysis = python.open(name, file)?;
    Ok(Found::python(analysis, file))
}

#[cfg(not(unix))]
fn open_python(_: &Python, _: &str, _: &Path) -> Result<Found, Failure> {
    Err(Failure::new(
        "there are no analyses in Python on this system, since they need processes of their own",
    ))
}

/// Returns the names of the packages in the folders of `plugins/`.
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

/// Returns the name of a package's crate, as Rust writes it.
pub fn crate_name(package: &str) -> String {
    package.replace('-', "_")
}

/// Calls a linked analysis; a panic becomes a failure like any other.
fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let words = words(&*panic);
        Err(Failure::new(format!("it panicked: {words}")))
    })
}
