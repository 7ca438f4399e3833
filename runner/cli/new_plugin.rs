//! Runs `grokrun new-plugin NAME`: writes a plugin that builds, tests itself and is found; with
//! `--python`, an analysis in Python.
//!
//! In a checkout it is a member of the workspace, `plugins/NAME`. Elsewhere it is a crate of its
//! own, `NAME`, that builds against a checkout: grokrun's crates are not published.

mod names;
mod python;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::NewPluginArgs;
use crate::output::{Failure, print};

const MEMBER: &str = include_str!("new_plugin/Cargo.toml.txt");
const ALONE: &str = include_str!("new_plugin/Alone.toml.txt");
const SOURCE: &str = include_str!("new_plugin/lib.rs.txt");
/// The folder, in a checkout, of the crate that plugins are written against.
const API: &str = "runner/api";

/// A crate to be written.
struct Crate {
    folder: PathBuf,
    manifest: String,
    /// the versions that the program was built with, for a crate of its own
    lock: Option<String>,
    /// the commands to go on with
    next: String,
}

/// Runs the command.
///
/// # Errors
/// If the name is not fit for a plugin or is taken, the folder exists, or there is no checkout.
pub(crate) fn new_plugin(args: &NewPluginArgs) -> Result<ExitCode, Failure> {
    let name = args.name.as_str();
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(kebab)
        && !name.ends_with('-')
        && !name.contains("--");
    if !sound {
        return Err(Failure::request(format!(
            "{name:?} is no name for a plugin; expected lower-case words with dashes, weight-norms for instance"
        )));
    }
    if args.python {
        return match names::taken_in_python(name) {
            Some(why) => Err(refused(name, &why)),
            None => python::write(name),
        };
    }
    let here = Path::new(".");
    let inside = here.join("plugins").is_dir() && here.join(API).is_dir();
    if inside && args.checkout.is_some() {
        return Err(Failure::request(
            "--checkout is for a plugin outside of a checkout, and this folder is one; leave it out",
        ));
    }
    let checkout = if inside {
        here.to_owned()
    } else {
        checkout(args)?
    };
    let new = if inside {
        member(name)
    } else {
        alone(name, &checkout)?
    };
    let folder = new.folder.display();
    if new.folder.exists() {
        return Err(Failure::request(format!(
            "{folder} is there already; expected another name"
        )));
    }
    if let Some(why) = names::taken(name, &checkout) {
        return Err(refused(name, &why));
    }
    write(&new, name)
        .map_err(|error| Failure::running(format!("{folder} cannot be written: {error}")))?;
    print(&format!("{folder}\n\n{}", new.next))?;
    Ok(ExitCode::SUCCESS)
}

fn refused(name: &str, why: &str) -> Failure {
    Failure::request(format!(
        "{name} cannot be the name of a plugin: {why}; expected another, my-{name} for instance"
    ))
}

/// Returns the checkout to build against: the one that the command line names, or the program's
/// own.
fn checkout(args: &NewPluginArgs) -> Result<PathBuf, Failure> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = args.checkout.as_deref();
    let checkout = std::path::absolute(given.unwrap_or(own)).unwrap_or_else(|_| own.to_owned());
    if checkout.join(API).join("Cargo.toml").is_file() {
        return Ok(checkout);
    }
    let shown = checkout.display();
    Err(Failure::request(match given {
        Some(_) => format!("{shown} is no checkout of grokrun: it has no {API}/Cargo.toml"),
        None => format!(
            "this folder is no checkout of grokrun, and the one that the program was built from, {shown}, is gone; a plugin builds against its {API}: call this in a checkout, or name one with --checkout DIR"
        ),
    }))
}

/// Makes a member of the workspace.
fn member(name: &str) -> Crate {
    Crate {
        folder: Path::new("plugins").join(name),
        manifest: MEMBER.replace("NAME", name),
        lock: None,
        next: format!(
            "test it     cargo test --release -p {name}\nfind it     cargo run --release -- plugins\nuse it      a table [analysis.{name}] in a spec\nlink it     {name} = {{ path = \"plugins/{name}\" }} under [dependencies] in Cargo.toml\n"
        ),
    }
}

/// Makes a crate of its own.
fn alone(name: &str, checkout: &Path) -> Result<Crate, Failure> {
    let api = checkout.join(API);
    let Some(path) = api.to_str() else {
        return Err(Failure::request(format!(
            "{} cannot stand in a Cargo.toml, which is UTF-8; expected a checkout in another folder",
            api.display()
        )));
    };
    // A string of JSON is one of TOML.
    let path = serde_json::Value::from(path).to_string();
    Ok(Crate {
        folder: Path::new(name).to_owned(),
        manifest: ALONE.replace("NAME", name).replace("API", &path),
        // Without a lock file cargo takes the newest versions.
        lock: fs::read_to_string(checkout.join("Cargo.lock")).ok(),
        next: format!(
            "test it     cd {name} && cargo test --release\nbuild it    cargo build --release, there\nfind it     GROKRUN_PLUGIN_PATH={name}/target/release grokrun plugins, here\nuse it      a table [analysis.{name}] in a spec, with the same GROKRUN_PLUGIN_PATH\n"
        ),
    })
}

/// Stages the crate and renames it: a crate that is half there would break every build of the
/// workspace.
fn write(new: &Crate, name: &str) -> std::io::Result<()> {
    // Beside `plugins/`, every folder of which is in the workspace.
    let staged = Path::new(&format!(".new-plugin-{name}")).to_owned();
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    fs::create_dir_all(staged.join("src"))?;
    let words = name.split('-');
    let camel: String = words
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    // With a further word it is none of the names that the source uses, even if the plugin is named
    // task or config.
    let camel = camel + "Analysis";
    let source = SOURCE.replace("NAME", name).replace("TYPE", &camel);
    fs::write(staged.join("Cargo.toml"), &new.manifest)?;
    fs::write(staged.join("src/lib.rs"), source)?;
    if let Some(lock) = &new.lock {
        fs::write(staged.join("Cargo.lock"), lock)?;
    }
    fs::rename(&staged, &new.folder)
}
