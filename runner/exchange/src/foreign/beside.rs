//! What a file of `torch.save` has beside its models: history, split, settings.

use std::collections::BTreeMap;

use super::History;
use super::contents::{whole, whole_number};
use crate::ExchangeError;
use crate::error::refuse;
use crate::layout;
use crate::pickle::Value;
use crate::torch::TorchFile;

/// Settings of a file that matter here.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) activation: Option<String>,
    pub(super) heads: Option<usize>,
    pub(super) seed: Option<i64>,
}

pub(super) fn history(
    file: &mut TorchFile,
    entries: &BTreeMap<String, Value>,
    notes: &mut Vec<String>,
) -> Result<Option<History>, ExchangeError> {
    let names = [
        ("train_losses", "train_losses"),
        ("test_losses", "test_losses"),
        ("train_accs", "train_accuracies"),
        ("test_accs", "test_accuracies"),
    ];
    let mut columns: [Vec<f64>; 4] = Default::default();
    for ((name, other), column) in names.iter().zip(&mut columns) {
        let Some(value) = entries.get(*name).or_else(|| entries.get(*other)) else {
            continue;
        };
        *column = floats(file, name, *value)?;
        if let Some(odd) = column.iter().find(|x| !x.is_finite()) {
            return refuse(format!(
                "its {name} have {odd} in them; expected finite numbers"
            ));
        }
    }
    let epochs = columns[0].len();
    if epochs == 0 {
        return Ok(None);
    }
    for ((name, _), column) in names.iter().zip(&mut columns) {
        let found = column.len();
        if found == epochs {
            continue;
        }
        if found == 0 {
            notes.push(format!(
                "the file has no {name}: they are not a number (NaN)"
            ));
            *column = vec![f64::NAN; epochs];
            continue;
        }
        // The paper's test losses are those of every tenth epoch.
        let every = epochs.div_ceil(found);
        if found > epochs || (found - 1) * every >= epochs {
            return refuse(format!(
                "it has {found} {name} and {epochs} train_losses; expected as many, or one for every so many epochs"
            ));
        }
        notes.push(format!(
            "{name} are taken as those of every {every} epochs; between them they are not a number (NaN)"
        ));
        let mut filled = vec![f64::NAN; epochs];
        for (i, x) in column.iter().enumerate() {
            filled[i * every] = *x;
        }
        *column = filled;
    }
    Ok(Some(History { columns }))
}

fn floats(file: &mut TorchFile, name: &str, value: Value) -> Result<Vec<f64>, ExchangeError> {
    if let Value::Tensor(place) = value {
        let tensor = file.pickle.tensors[place as usize].clone();
        return file.numbers(&tensor);
    }
    let items = file.pickle.items(value).map(<[Value]>::to_vec);
    let one = |file: &mut TorchFile, value: &Value| match value {
        Value::Tensor(place) => {
            let tensor = file.pickle.tensors[*place as usize].clone();
            // A small storage: reading it once for each number must not take for ever.
            Ok(match (tensor.len(), tensor.storage.len) {
                (1, ..=16) => file.numbers(&tensor)?.first().copied(),
                _ => None,
            })
        }
        other => Ok(file.pickle.number(*other)),
    };
    let mut numbers = Vec::new();
    for item in items.iter().flatten() {
        numbers.extend(one(file, item)?);
    }
    match items {
        Some(items) if items.len() == numbers.len() => Ok(numbers),
        _ => refuse(format!("its {name} are no list of numbers")),
    }
}

pub(super) fn split(
    file: &mut TorchFile,
    entries: &BTreeMap<String, Value>,
) -> Result<Option<[Vec<i64>; 2]>, ExchangeError> {
    let mut part = |name: &str| match entries.get(name) {
        None => Ok(None),
        Some(Value::Tensor(place)) => {
            let tensor = file.pickle.tensors[*place as usize].clone();
            file.integers(&tensor).map(Some)
        }
        Some(list) => match whole(file, *list) {
            Some(list) => Ok(Some(list.into_iter().map(u64::cast_signed).collect())),
            None => refuse(format!("its {name} are no tensor or list of integers")),
        },
    };
    let [train, test] = [part("train_indices")?, part("test_indices")?];
    match (train, test) {
        (Some(train), Some(test)) => Ok(Some([train, test])),
        (None, None) => Ok(None),
        _ => refuse(
            "it has train_indices or test_indices without the other; expected both or neither",
        ),
    }
}

pub(super) fn read_config(file: &TorchFile, value: Value) -> Result<Config, ExchangeError> {
    let pickle = &file.pickle;
    let mut config = Config::default();
    for (key, value) in pickle.entries(value)?.unwrap_or_default() {
        let number = pickle.number(value);
        let expected = |wanted: &str, fits: bool| match fits {
            true => Ok(()),
            false => {
                let found = match pickle.text(value) {
                    Some(text) => layout::shortened(text),
                    None => format!("{value:?}"),
                };
                refuse(format!("its config has {key} = {found}; expected {wanted}"))
            }
        };
        match key {
            "n_layers" => expected("1", number == Some(1.0))?,
            "n_ctx" => expected("3: a, b and '='", number == Some(3.0))?,
            "normalization_type" => expected("None", value == Value::None)?,
            "positional_embedding_type" => {
                expected("standard", pickle.text(value) == Some("standard"))?;
            }
            "attn_only" => expected("False", value != Value::Bool(true))?,
            "use_attn_scale" => expected("True", value != Value::Bool(false))?,
            "act_fn" => {
                let known = ["relu", "gelu"];
                expected(
                    "relu or gelu",
                    pickle.text(value).is_some_and(|t| known.contains(&t)),
                )?;
                config.activation = pickle.text(value).map(str::to_owned);
            }
            "n_heads" => config.heads = whole_number(value).and_then(|h| usize::try_from(h).ok()),
            "seed" => {
                config.seed = match value {
                    Value::Int(seed) => Some(seed),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Ok(config)
}
