//! `grokrun new-plugin NAME`: a plugin that builds, tests itself and is found.

mod names;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::args::NewPluginArgs;
use crate::output::{Failure, print};

const MANIFEST: &str = include_str!("new_plugin/Cargo.toml.txt");
const SOURCE: &str = include_str!("new_plugin/lib.rs.txt");

/// Runs the command.
///
/// # Errors
/// When the name is no plugin's, there is no `plugins/` here, or one of that name is there already.
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
    let plugins = Path::new("plugins");
    if !plugins.is_dir() {
        return Err(Failure::request(
            "there is no folder plugins/ here; expected to be called in the checkout of grokrun",
        ));
    }
    let checkout = Path::new(".");
    let folder = plugins.join(name);
    if folder.exists() {
        return Err(Failure::request(format!(
            "{} is there already; expected another name",
            folder.display()
        )));
    }
    if let Some(why) = names::taken(name, checkout) {
        return Err(Failure::request(format!(
            "{name} cannot be the name of a plugin: {why}; expected another, my-{name} for instance"
        )));
    }
    write(&folder, name).map_err(|error| {
        Failure::running(format!("{} cannot be written: {error}", folder.display()))
    })?;
    print(&format!(
        "{0}\n\ntest it     cargo test --release -p {name}\nfind it     cargo run --release -- plugins\nuse it      a table [analysis.{name}] in a spec\nlink it     {name} = {{ path = \"plugins/{name}\" }} under [dependencies] in Cargo.toml\n",
        folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Written aside and renamed: a crate that is half there would break every build of the workspace.
fn write(folder: &Path, name: &str) -> std::io::Result<()> {
    // Beside `plugins/`, all of which is the workspace's.
    let aside = Path::new(&format!(".new-plugin-{name}")).to_owned();
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::create_dir_all(aside.join("src"))?;
    let words = name.split('-');
    let camel: String = words
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    // With a word more it is none of the names that the source uses, be the plugin's Task or
    // Config.
    let camel = camel + "Analysis";
    let fill = |text: &str| text.replace("NAME", name).replace("TYPE", &camel);
    fs::write(aside.join("Cargo.toml"), fill(MANIFEST))?;
    fs::write(aside.join("src/lib.rs"), fill(SOURCE))?;
    fs::rename(&aside, folder)
}
