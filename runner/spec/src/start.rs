//! Reads `[start]`: initial weights that are not drawn.

use crate::field::Reader;
use crate::keys;
use crate::table::Section;
use crate::written::Written;

/// The weights that a cell begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// The weights of a checkpoint of a run.
    Run {
        /// The folder of the run.
        run: String,
        /// The cell; `None` stands for the only cell.
        cell: Option<String>,
        /// The epoch; `None` stands for the last one.
        epoch: Option<u64>,
    },
    /// The weights in the file of a checkpoint.
    File(String),
}

impl Start {
    /// Reads the table; returns `None` if the table is absent, and after a mistake.
    pub(crate) fn read(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<Start> {
        let run = section.node(&keys::START_RUN);
        let file = section.node(&keys::START_FILE);
        let own: [&dyn crate::field::Field; 2] = [&keys::START_CELL, &keys::START_EPOCH];
        match (run, file) {
            (Some(run), None) => {
                let cell = section.node(&keys::START_CELL);
                let epoch = section.node(&keys::START_EPOCH);
                Some(Start::Run {
                    run: keys::START_RUN.read(run, reader)?.to_owned(),
                    cell: match cell {
                        Some(cell) => Some(keys::START_CELL.read(cell, reader)?.to_owned()),
                        None => None,
                    },
                    epoch: match epoch {
                        Some(epoch) => Some(keys::START_EPOCH.check(epoch, reader)?),
                        None => None,
                    },
                })
            }
            (None, Some(file)) => {
                section.refuse(&own, "a start from a run", reader);
                Some(Start::File(keys::START_FILE.read(file, reader)?.to_owned()))
            }
            (Some(_), Some(file)) => {
                let problem = "`start` has `run` and `file`";
                let diagnostic = reader.report.error(file.span, problem);
                diagnostic.label("expected one of the two");
                None
            }
            (None, None) => {
                if let Some(span) = section.span() {
                    let problem = "`start` needs `run` or `file`";
                    let diagnostic = reader.report.error(span, problem);
                    diagnostic
                        .label("expected run = \"runs/mult113\", or file = \"w.safetensors\"");
                }
                None
            }
        }
    }

    /// Writes the table's lines.
    pub(crate) fn write(&self, out: &mut Written) {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        out.header(&keys::START);
        match self {
            Start::Run { run, cell, epoch } => {
                out.line(&keys::START_RUN, &quoted(run));
                match cell {
                    Some(cell) => out.line(&keys::START_CELL, &quoted(cell)),
                    None => out.comment("cell is not set: the run has one"),
                }
                match epoch {
                    Some(epoch) => out.line(&keys::START_EPOCH, &epoch.to_string()),
                    None => out.comment("epoch is not set: the last one"),
                }
            }
            Start::File(file) => out.line(&keys::START_FILE, &quoted(file)),
        }
    }
}
