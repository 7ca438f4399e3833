//! Runs `grokrun page SPEC`: records a cell, trains it here for the curve to compare with, and
//! writes the page.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use grokrun_engine::{Playback, Tensor, Variant};
use grokrun_page::{About, Contents, page as written_page, shown};
use grokrun_session::{Native, Played, Survey};
use grokrun_spec::{Cell, Plan};
use grokrun_store::Output;

use crate::args::PageArgs;
use crate::output::{Failure, say, written};
use crate::spec;

/// The time between two lines on how far training is.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// If the spec is wrong or cannot be played, or the page cannot be written.
pub(crate) fn page(args: &PageArgs) -> Result<ExitCode, Failure> {
    let (text, shipped) = spec::text_of(&args.spec)?;
    let plan = spec::parse_set_without_plugins(&text, &args.spec, &args.set)?;
    let tell = |line: String| {
        if !args.quiet {
            say(line);
        }
    };
    shipped.into_iter().for_each(tell);
    // Refuses what this machine has no memory for.
    Survey::quick(&plan)?;
    let cell = choose(&plan, args)?;
    let played = Played::new(&plan, cell)?;
    // What does not fit is refused before anything is trained.
    let epochs = plan.epochs;
    let first = played.playback(epochs.min(1), Variant::Tiles)?;
    let embedding = played.embedding(&first)?;
    tell(format!(
        "{}: trained here on the CPU first, for {epochs} epochs at most",
        cell.id
    ));
    let mut last = Instant::now();
    let native = played.train(&mut |done| {
        if last.elapsed() > LINE_EVERY {
            last = Instant::now();
            tell(format!("  epoch {done} of {epochs}"));
        }
    })?;
    let playback = |variant| played.playback(native.rows.len() as u64, variant);
    let (gpu, software) = (playback(Variant::Tiles)?, playback(Variant::Registers)?);
    let operation = cell.operation.text();
    let labels = played.labels()?;
    let shown = shown(labels.as_deref(), embedding.rows, operation);
    let html = written_page(Contents {
        about: About {
            spectrum: shown.spectrum,
            circles: shown.circles,
            ..about(cell, &gpu, &embedding, &native)
        },
        playbacks: [&gpu, &software],
        embedding: &embedding,
        basis: &shown.basis,
        device: &native.device,
        rows: &native.rows,
        embeddings: &native.embeddings,
    });
    let html = html.map_err(Failure::running)?;
    Output::write(&args.output, html.as_bytes())?;
    tell(format!("{:.1} MB", html.len() as f64 / 1e6));
    written(&args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the cell that is asked for, or the first one, and says so.
fn choose<'a>(plan: &'a Plan, args: &PageArgs) -> Result<&'a Cell, Failure> {
    let ids = || {
        let ids: Vec<&str> = plan.cells.iter().take(12).map(|c| c.id.as_str()).collect();
        let more = if plan.cells.len() > 12 { ", …" } else { "" };
        format!("{}{more}", ids.join(", "))
    };
    match &args.cell {
        Some(id) => {
            let found = plan.cells.iter().find(|cell| cell.id == *id);
            found.ok_or_else(|| {
                let name = &plan.name;
                Failure::request(format!(
                    "{name} has no cell {id}; expected one of {}",
                    ids()
                ))
            })
        }
        None => {
            let cells = plan.cells.len();
            if cells > 1 && !args.quiet {
                let id = &plan.cells[0].id;
                say(format!(
                    "{cells} cells: the page is of the first, {id}; --cell ID takes another"
                ));
            }
            plan.cells
                .first()
                .ok_or_else(|| Failure::request(format!("{} has no cells", plan.name)))
        }
    }
}

fn about(cell: &Cell, playback: &Playback, embedding: &Tensor, native: &Native) -> About {
    let notation = cell.operation.notation();
    let heading = match cell.operation.size() {
        Some(_) => notation,
        None => format!("{notation} mod {}", cell.modulus),
    };
    let numbers: usize = playback.tensors.iter().map(|t| t.rows * t.cols).sum();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    About {
        cell: cell.id.clone(),
        heading,
        embedding: match embedding.name.rsplit('.').next() {
            Some("W_E") => "W_E".to_owned(),
            _ => embedding.name.clone(),
        },
        facts: vec![
            fact("training pairs", playback.train.to_string()),
            fact("test pairs", playback.test.to_string()),
            fact("parameters", numbers.to_string()),
            fact("learning rate", cell.learning_rate.to_string()),
            fact("weight decay", cell.weight_decay.to_string()),
            fact("native run", native.device.clone()),
        ],
        ..About::default()
    }
}
