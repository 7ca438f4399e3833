//! Writes the last checkpoint of a cell as a `state_dict` in the layout of published code.

use grokrun_exchange::{Layout, laid_out, write_npz, write_safetensors, write_state_dict};
use grokrun_store::{CellConfig, Tensor};
use serde_json::{Value, json};

use crate::args::{ExportArgs, Format, LayoutArg};
use crate::output::Failure;

/// Writes the file.
///
/// # Errors
/// If the layout's code would compute something else of these weights, or the file cannot be
/// written.
pub(super) fn export(
    args: &ExportArgs,
    config: &CellConfig,
    checkpoint: Vec<Tensor>,
) -> Result<(), Failure> {
    let model = Value::Object(config.model.clone());
    check(args.layout, &model)?;
    let arrays = laid_out(checkpoint, layout(args.layout))?;
    match args.format {
        Format::Safetensors => {
            write_safetensors(&args.output, &arrays, &[("format", "pt".to_owned())])?;
        }
        Format::Npz => write_npz(&args.output, &arrays, &[])?,
        _ => write_state_dict(&args.output, &arrays)?,
    }
    Ok(())
}

fn layout(layout: LayoutArg) -> Layout {
    match layout {
        LayoutArg::TransformerLens => Layout::TransformerLens,
        LayoutArg::Native => Layout::Native,
        LayoutArg::Paper => Layout::Paper,
        LayoutArg::Pizza => Layout::Pizza,
        LayoutArg::PizzaLinear => Layout::PizzaLinear,
        LayoutArg::RepTheory => Layout::RepTheory,
        LayoutArg::SnMlp => Layout::SnMlp,
    }
}

/// Checks what the tensors do not show and the layout's code takes for granted.
fn check(layout: LayoutArg, model: &Value) -> Result<(), Failure> {
    let relu = ("activation", json!("relu"));
    let wanted: &[(&str, Value)] = match layout {
        LayoutArg::TransformerLens | LayoutArg::Native => &[],
        LayoutArg::Paper => &[
            ("mask", json!("causal")),
            ("attention", json!("softmax")),
            ("norm", json!("none")),
        ],
        LayoutArg::Pizza => &[("mask", json!("none")), ("norm", json!("none"))],
        LayoutArg::PizzaLinear | LayoutArg::RepTheory => &[relu],
        LayoutArg::SnMlp => &[],
    };
    for (key, wanted) in wanted {
        // A model that does not have the key is of another kind, which its tensors show.
        if let Some(found) = model.get(*key).filter(|found| *found != wanted) {
            return Err(Failure::request(format!(
                "its model has {key} = {found}, and the code of this layout computes with {wanted}; expected a model that this layout holds, or another --layout"
            )));
        }
    }
    Ok(())
}
