//! Sends tracing events to the run's `log.jsonl`, all of them with their spans' fields, and
//! warnings (more with `-v`) to the console, above the progress bars.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use grokrun_store::open_with;
use indicatif::MultiProgress;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::visible::coloured;

/// Starts logging for the rest of the process. `console` is the level on standard error.
///
/// # Errors
/// If the log file cannot be opened for appending.
pub(crate) fn start(file: &Path, console: LevelFilter, bars: &MultiProgress) -> io::Result<()> {
    let file = open_with(OpenOptions::new().create(true).append(true), file)?;
    let json = tracing_subscriber::fmt::layer()
        .json()
        .with_current_span(false)
        .with_span_list(true)
        .log_internal_errors(false)
        .with_writer(Mutex::new(file))
        .with_filter(LevelFilter::DEBUG);
    let human = tracing_subscriber::fmt::layer()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(console::colors_enabled_stderr())
        .log_internal_errors(false)
        .with_writer(AboveBars(bars.clone()))
        .with_filter(console);
    tracing_subscriber::registry()
        .with(only_ours(json))
        .with(only_ours(human))
        .init();
    Ok(())
}

/// Drops events of the libraries (wgpu and naga are talkative), except for warnings.
fn only_ours<S, L>(layer: L) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    L: Layer<S> + Send + Sync + 'static,
{
    layer.with_filter(tracing_subscriber::filter::filter_fn(|metadata| {
        let below = ["wgpu", "naga"];
        let talkative = below.iter().any(|name| metadata.target().starts_with(name));
        !talkative || *metadata.level() <= tracing::Level::WARN
    }))
}

/// Writes lines without tearing the bars.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = AboveBars;
    fn make_writer(&'a self) -> AboveBars {
        self.clone()
    }
}

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatter's own colours are in the text.
        let text = String::from_utf8_lossy(bytes);
        let text = coloured(&text);
        self.0.suspend(|| io::stderr().write_all(text.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
