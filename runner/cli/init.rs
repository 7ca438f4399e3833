//! Runs `grokrun init FILE`: writes a new spec, from a shipped one or by questions.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use console::Term;
use dialoguer::{Input, Select};

use crate::args::InitArgs;
use crate::output::{Failure, print};
use crate::{shipped, spec};

/// The operations to choose from, and the question for another.
const OPERATIONS: [&str; 6] = ["add", "sub", "mul", "div", "square-sum", "an expression"];

/// What the questions are about.
#[derive(Clone, Debug, PartialEq)]
struct Answers {
    operation: String,
    modulus: u32,
    fraction: f64,
    seeds: u32,
    epochs: u64,
}

/// Runs the command.
///
/// # Errors
/// If the file is there, there is no such shipped spec, nobody can be asked, what was answered is
/// no spec, or the file cannot be written.
pub(crate) fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    let shown = args.file.display();
    if args.file.symlink_metadata().is_ok() {
        return Err(Failure::request(format!(
            "{shown} is there already; expected the name of a new file"
        )));
    }
    let text = match &args.from {
        Some(name) => shipped::named(name)?.to_owned(),
        None => text(&asked()?),
    };
    spec::parse_without_plugins(&text, &args.file)?;
    let written = File::create_new(&args.file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::running(format!("{shown} cannot be written: {error}")))?;
    print(&format!(
        "{shown}\n`grokrun check {shown}` tells what it would take, `grokrun {shown}` trains it\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for the keys that a spec must have, and for how long.
fn asked() -> Result<Answers, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::request(format!(
            "nobody can be asked, since this is no terminal; expected --from with a shipped spec: {}",
            shipped::names()
        )));
    }
    let failed = |error| Failure::running(format!("the answer cannot be read: {error}"));
    let term = Term::stderr();
    let chosen = Select::new()
        .with_prompt("the operation of a and b, modulo p")
        .items(OPERATIONS)
        .default(2)
        .interact_on(&term)
        .map_err(failed)?;
    let operation = match OPERATIONS[chosen] {
        "an expression" => Input::new()
            .with_prompt("the expression")
            .default("a^3 + a*b".to_owned())
            .interact_text_on(&term)
            .map_err(failed)?,
        name => name.to_owned(),
    };
    let number = |question: &str, default: f64| {
        Input::new()
            .with_prompt(question)
            .default(default)
            .interact_text_on(&term)
            .map_err(failed)
    };
    Ok(Answers {
        operation,
        modulus: number("the modulus p", 59.0)? as u32,
        fraction: number("the share of all pairs to train on", 0.5)?,
        seeds: number("models, each of a seed of its own", 1.0)? as u32,
        epochs: number("epochs at most", 10_000.0)? as u64,
    })
}

/// Writes the spec: what was asked, and an end once the model has grokked.
fn text(answers: &Answers) -> String {
    let Answers {
        operation,
        modulus,
        fraction,
        seeds,
        epochs,
    } = answers;
    let operation = toml_string(operation);
    let model = match seeds {
        1 => "0".to_owned(),
        count => format!("{{ start = 0, count = {count} }}"),
    };
    format!(
        "# Every key, with its default: grokrun's doc/guide.md.\n\
         operation = {operation}\n\
         modulus   = {modulus}\n\
         fraction  = {fraction}\n\
         seeds     = {{ data = 0, model = {model} }}\n\n\
         [train]\n\
         epochs = {epochs}\n\n\
         # What the weights have learned, looked at while they are trained.\n\
         [analysis.fourier-sparsity]\n"
    )
}

/// Writes a string as TOML does.
fn toml_string(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_answered_is_a_spec_and_what_cannot_be_is_not() {
        let answers = Answers {
            operation: "mul".to_owned(),
            modulus: 59,
            fraction: 0.5,
            seeds: 3,
            epochs: 2000,
        };
        let path = Path::new("mine.toml");
        let plan = spec::parse_without_plugins(&text(&answers), path);
        let Ok(plan) = plan else {
            panic!("{}", text(&answers))
        };
        assert_eq!((plan.cells.len(), plan.epochs), (3, 2000));
        let wrong = Answers {
            operation: "\"quoted\\".to_owned(),
            ..answers
        };
        assert!(spec::parse_without_plugins(&text(&wrong), path).is_err());
    }
}
