//! Reads a spec from its file: the one place where the spec's text comes from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use grokrun_engine::{Choice, choose_backend};
use grokrun_host::{Registry, Script};
use grokrun_session::Longer;
use grokrun_spec::{Catalog, Files, Plan};
use grokrun_store::{Access, RunDir, SpecText, StoreError};

use crate::args::SpecArgs;
use crate::commit::{self, Commit};
use crate::output::{Failure, say};
use crate::{plugins, python, shipped};

/// The longest spec, in bytes.
const LONGEST: u64 = 1_000_000;

/// A spec as text and as a plan.
pub(crate) struct Spec {
    pub(crate) text: String,
    pub(crate) plan: Plan,
    /// the notice that the text is that of a shipped spec, if it is
    shipped: Option<String>,
    /// the file that the text was read from; none of a shipped spec, or of a run's own
    file: Option<PathBuf>,
    /// the files of Python that have some of its analyses
    pub(crate) scripts: Vec<Script>,
}

impl Spec {
    /// Makes a spec whose text was not read from a path that the user named.
    pub(crate) fn new(text: String, plan: Plan) -> Spec {
        Spec {
            text,
            plan,
            shipped: None,
            file: None,
            scripts: Vec::new(),
        }
    }

    /// Returns the commit that the file of the spec is of, if git knows it.
    pub(crate) fn commit(&self) -> Option<Commit> {
        commit::of(self.file.as_ref()?)
    }

    /// Reports that the program's own spec stands in for a file that does not exist, if it does.
    pub(crate) fn announce(&self) {
        self.shipped.iter().for_each(say);
    }

    /// Opens the run of this spec in the folder `out/name`. A run of a spec that is only shorter
    /// continues as a run of this one.
    ///
    /// # Errors
    /// If the folder holds a run that cannot continue so, or it cannot be written.
    pub(crate) fn open(
        &self,
        out: &Path,
        name: &str,
        access: Access,
    ) -> Result<RunDir, StoreError> {
        let (resolved, fingerprint) = (self.plan.resolved_toml(), self.plan.fingerprint());
        let spec = SpecText {
            given: &self.text,
            resolved: &resolved,
            fingerprint: &fingerprint,
        };
        RunDir::open_judged(out, name, spec, access, &Longer(&self.plan))
    }
}

/// Reads and checks the spec, and finds the analyses for it.
///
/// # Errors
/// If the file cannot be read, or the spec is wrong: everything that is wrong with it; or if the
/// command line asks what no analysis can do.
pub(crate) fn read(args: &SpecArgs) -> Result<(Spec, Registry), Failure> {
    let (text, shipped) = text_of(&args.spec)?;
    let scripts = python::of_spec(&text, &args.set, &args.spec);
    let registry = plugins::registry(&args.plugins, &scripts)?;
    let plan = parse(&text, &args.spec, &args.set, &registry)?;
    let spec = Spec {
        file: shipped.is_none().then(|| args.spec.clone()),
        text,
        plan,
        shipped,
        scripts,
    };
    Ok((spec, registry))
}

/// Returns the text of a spec; with a notice where it is a shipped one that stands in for a file.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn text_of(path: &Path) -> Result<(String, Option<String>), Failure> {
    match shipped::find(path) {
        Some((name, text)) if path.symlink_metadata().is_err() => {
            let path = path.display();
            let said = format!("no file {path} here: this is the shipped spec {name}");
            Ok((text.to_owned(), Some(said)))
        }
        _ => Ok((read_text(path)?, None)),
    }
}

/// Checks the text of a spec from `path`.
///
/// # Errors
/// If it is wrong: everything that is wrong with it.
pub(crate) fn parse(
    text: &str,
    path: &Path,
    set: &[String],
    registry: &Registry,
) -> Result<Plan, Failure> {
    let catalog = plugins::catalog(registry).with_files(files_beside(path));
    parse_by(text, path, set, &catalog)
}

/// Checks the text of a spec from `path`, whatever analyses it asks for.
///
/// # Errors
/// If it is wrong: everything that is wrong with it.
pub(crate) fn parse_without_plugins(text: &str, path: &Path) -> Result<Plan, Failure> {
    parse_set_without_plugins(text, path, &[])
}

/// The same with overrides of its keys.
///
/// # Errors
/// As [`parse_without_plugins`].
pub(crate) fn parse_set_without_plugins(
    text: &str,
    path: &Path,
    set: &[String],
) -> Result<Plan, Failure> {
    let catalog = Catalog::empty().and_others().with_files(files_beside(path));
    parse_by(text, path, set, &catalog)
}

/// The files that a spec from `path` may name.
fn files_beside(path: &Path) -> Files {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Files::new(move |name| read_table(&folder.join(name)))
}

/// The longest table that is read: as many results as a table may have, with their commas.
const LONGEST_TABLE: u64 = 200_000_000;

/// Reads a file that a spec names.
fn read_table(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST_TABLE + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST_TABLE {
        return Err(format!(
            "it is longer than {} MB",
            LONGEST_TABLE / 1_000_000
        ));
    }
    Ok(bytes)
}

/// Checks the resolved spec of a run, which may ask for analyses that are not in the catalog.
///
/// # Errors
/// If it is wrong: everything that is wrong with it.
pub(crate) fn parse_resolved(text: &str, catalog: Catalog) -> Result<Plan, Failure> {
    parse_by(text, Path::new("resolved.toml"), &[], &catalog.and_others())
}

fn parse_by(text: &str, path: &Path, set: &[String], catalog: &Catalog) -> Result<Plan, Failure> {
    grokrun_spec::load(text, path, set, catalog).map_err(|diagnostics| {
        Failure::diagnosed(diagnostics.render(console::colors_enabled_stderr()))
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::request(format!(
            "the spec {shown} cannot be read: {error}; expected the path of a TOML file, or a shipped spec: {}",
            shipped::names()
        ))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Failure::request(format!(
            "the spec {shown} is longer than {} MB; expected a TOML file of some lines",
            LONGEST / 1_000_000
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::request(format!(
            "the spec {shown} is not text: byte {at} is not valid UTF-8; expected a TOML file"
        ))
    })
}

/// Chooses the processor that the command line asks for.
///
/// # Errors
/// If there is none.
pub(crate) fn choice(args: &SpecArgs) -> Result<Choice, Failure> {
    choose_backend(args.backend, args.adapter.as_deref()).map_err(Failure::request)
}
