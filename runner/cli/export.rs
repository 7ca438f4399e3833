//! Runs `grokrun export RUN`: writes a cell as a file that PyTorch, TransformerLens or numpy opens,
//! or the curves of all cells for trackers.

mod follow;
mod layout;
mod trackers;

use std::process::ExitCode;

use grokrun_exchange::{
    Array, ExchangeError, Experiment, Numbers, OWN_CONFIG, state_dict, write_npz, write_pth,
    write_safetensors,
};
use grokrun_session::stored_cell;
use grokrun_store::{CellConfig, CellDir, CheckpointsConfig, Metrics, RunView, StoreError};
use serde_json::{Value, json};

use crate::args::{ExportArgs, Format, LayoutArg};
use crate::output::{Failure, written};
use crate::sweep;

/// Runs the command.
///
/// # Errors
/// If the folder holds no run, has no such cell or no checkpoint, or the file cannot be written.
pub(crate) fn export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    if args.follow {
        if args.format != Format::Tensorboard {
            return Err(Failure::request(
                "--follow writes event files that grow; expected --format tensorboard",
            ));
        }
        follow::follow(args)?;
        written(&args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let view = RunView::open(&args.run)?;
    if let Format::Csv | Format::Tensorboard | Format::Mlflow = args.format {
        if args.layout != LayoutArg::TransformerLens {
            return Err(Failure::request(
                "--layout is for weights; expected --format pth, safetensors or npz with it",
            ));
        }
        trackers::export(args, &view)?;
        written(&args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (name, dir) = cell(&view, args.cell.as_deref())?;
    // By the spec, so that a folder of another run's cell of this name is not taken for it.
    let dir = stored_cell(&view, &sweep::plan(&view)?, &name).unwrap_or(dir);
    let all = dir.checkpoints()?;
    // A run that is training may have checkpoints of epochs that its saved history does not have
    // yet.
    let saved = dir.read_state()?;
    let known = |epoch: &u64| saved.as_ref().is_none_or(|state| *epoch <= state.epoch);
    let epochs: Vec<u64> = all.into_iter().filter(known).collect();
    let Some(last) = epochs.last().copied() else {
        return Err(Failure::request(format!(
            "cell {name} of {} has no checkpoint yet; expected a cell that was trained or imported",
            view.path().display()
        )));
    };
    let Some(mut config) = dir.read_config()? else {
        return Err(Failure::request(format!(
            "cell {name} has no config.json; `grokrun SPEC` writes it again"
        )));
    };
    forget_packing(&mut config);
    if args.layout != LayoutArg::TransformerLens {
        layout::export(args, &config, dir.read_checkpoint(last)?)?;
        written(&args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let model = hooked(&config);
    if model.is_none() && args.format == Format::Pth {
        return Err(Failure::request(format!(
            "TransformerLens has no model like that of cell {name}, which --format pth describes in its words; expected --format safetensors or npz, or another --layout"
        )));
    }
    let model = model.unwrap_or_default();
    let metrics = saved.map(|state| state.metrics).unwrap_or_default();
    let Some([train, test]) = dir.read_split()? else {
        return Err(Failure::request(format!(
            "cell {name} has no split.safetensors; `grokrun SPEC` writes it again"
        )));
    };
    match args.format {
        Format::Pth => {
            let experiment = Experiment {
                config: &model,
                own: &config.to_json(),
                history: metrics.columns(),
                train: &train,
                test: &test,
                epochs: &epochs,
            };
            let mut checkpoints = dir.checkpoint_reader();
            write_pth(&args.output, &experiment, |epoch| {
                checkpoints.read(epoch).map_err(Failure::from)
            })?;
        }
        Format::Safetensors => {
            // The split is stored as a text: a further tensor would keep load_state_dict from
            // loading.
            let mut metadata = vec![
                ("format", "pt".to_owned()),
                ("epoch", last.to_string()),
                (OWN_CONFIG, config.to_json().to_string()),
                ("train_indices", json!(train).to_string()),
                ("test_indices", json!(test).to_string()),
            ];
            if model.is_object() {
                metadata.push(("hooked_transformer_config", model.to_string()));
            }
            let arrays = state_dict(dir.read_checkpoint(last)?);
            write_safetensors(&args.output, &arrays, &metadata)?;
        }
        Format::Npz => {
            let mut arrays = state_dict(dir.read_checkpoint(last)?);
            arrays.extend(beside(&metrics, train, test));
            arrays.push(Array {
                name: "epoch".to_owned(),
                shape: Vec::new(),
                numbers: Numbers::I64(vec![last.cast_signed()]),
            });
            let mut texts = vec![(OWN_CONFIG, config.to_json().to_string())];
            if model.is_object() {
                texts.push(("config", model.to_string()));
            }
            write_npz(&args.output, &arrays, &texts)?;
        }
        // Those of many cells have returned.
        Format::Csv | Format::Tensorboard | Format::Mlflow => {}
    }
    written(&args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns history and split, under the published names.
fn beside(metrics: &Metrics, train: Vec<i64>, test: Vec<i64>) -> Vec<Array> {
    let names = ["train_losses", "test_losses", "train_accs", "test_accs"];
    let columns = names.iter().zip(metrics.columns());
    let history = columns.map(|(name, column)| Array::vector(name, Numbers::F64(column.to_vec())));
    let split = [("train_indices", train), ("test_indices", test)];
    let split = split.map(|(name, part)| Array::vector(name, Numbers::I64(part)));
    history.chain(split).collect()
}

/// Returns the cell that was named, or the only one.
fn cell(view: &RunView, wanted: Option<&str>) -> Result<(String, CellDir), Failure> {
    let mut cells = view.cells()?;
    let shown = view.path().display();
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    let place = match (wanted, cells.len()) {
        (Some(wanted), _) => names.iter().position(|name| *name == wanted),
        (None, 1) => Some(0),
        (None, 0) => None,
        (None, count) => {
            return Err(Failure::request(format!(
                "{shown} has {count} cells; expected --cell ID with one of {}",
                some(&names)
            )));
        }
    };
    match (place, wanted) {
        (Some(place), _) => Ok(cells.swap_remove(place)),
        (None, Some(wanted)) => Err(Failure::request(format!(
            "{shown} has no cell {wanted}; expected one of {}",
            some(&names)
        ))),
        (None, None) => Err(Failure::request(format!(
            "{shown} has no cell yet; expected a run that was trained or imported"
        ))),
    }
}

/// Joins the first few names.
fn some(names: &[&str]) -> String {
    match names {
        [] => "none: it has no cells".to_owned(),
        few if few.len() <= 5 => few.join(", "),
        many => format!("{}, … ({} cells)", many[..4].join(", "), many.len()),
    }
}

/// Sets TransformerLens's settings to the device that every machine has. Removes how the run stores
/// its checkpoints, but for what their weights have lost by it: the weights that are exported are
/// plain.
fn forget_packing(config: &mut CellConfig) {
    let rounded = |kept: &CheckpointsConfig| kept.precision.as_deref() != Some("f32");
    config.checkpoints = config.checkpoints.take().filter(rounded);
    if let Some(kept) = &mut config.checkpoints {
        kept.compression = None;
    }
}

/// Returns the settings in TransformerLens's words; none if it has no such model.
fn hooked(config: &CellConfig) -> Option<Value> {
    let mut model = config.hooked_transformer_config.clone()?;
    model.insert("device".to_owned(), json!("cpu"));
    Some(Value::Object(model))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        if error.is_request() {
            Failure::request(error)
        } else {
            Failure::running(error)
        }
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Failure {
        if error.is_request() {
            Failure::request(error)
        } else {
            Failure::running(error)
        }
    }
}
