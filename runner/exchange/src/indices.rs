//! Reads a split from a file of its own: the places of the pairs that a model was trained on.
//!
//! Places are `a·p + b` in the list of all pairs. The file is a text of numbers, JSON (a list, or
//! an object with `train_indices`), a numpy array (`.npy`), or has `train_indices` among its arrays
//! (`.npz`, `.safetensors`). If it has `test_indices`, too, those are the other part.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::ExchangeError;
use crate::error::refuse;
use crate::numpy::{self, Npy};
use crate::shown::shown;
use crate::sniff::{self, Found};
use crate::{npz, safe};

/// The longest text or array that is read, in bytes: every pair of the largest modulus that fits a
/// machine.
const LONGEST: u64 = 1 << 30;
/// The name of the pairs that are trained on.
const TRAIN: &str = "train_indices";
/// The name of the pairs that are tested on.
const TEST: &str = "test_indices";

/// Places of pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    /// The pairs trained on, in the order of the file.
    pub train: Vec<i64>,
    /// The pairs tested on, if the file has them.
    pub test: Option<Vec<i64>>,
}

/// Reads a split.
///
/// # Errors
/// If the file cannot be read or has no places: what it has, and what was expected.
pub fn read_indices(path: &Path) -> Result<Indices, ExchangeError> {
    let here = |error: ExchangeError| error.of(path);
    let numbers = match sniff::sniff(path)? {
        Found::Text => return of_text(&text(path)?).map_err(here),
        Found::Npy => match numpy::parse(&bytes(path)?).map_err(here)? {
            Npy::Numbers { numbers, .. } => BTreeMap::from([(TRAIN.to_owned(), numbers)]),
            Npy::Text(_) => {
                return refuse("it is a text; expected an array of places").map_err(here);
            }
        },
        Found::Safetensors => safe::vectors(path)?,
        Found::Zip => {
            let arrays = npz::read(path)?.into_iter();
            let numbers = arrays.filter_map(|(name, array)| match array {
                Npy::Numbers { numbers, .. } => Some((name, numbers)),
                Npy::Text(_) => None,
            });
            numbers.collect()
        }
    };
    of_numbers(numbers).map_err(here)
}

fn bytes(path: &Path) -> Result<Vec<u8>, ExchangeError> {
    let failed = |error| ExchangeError::io("cannot read", path, &error);
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > LONGEST {
        refuse(format!("it has more than {LONGEST} bytes")).map_err(|e: ExchangeError| e.of(path))
    } else {
        std::fs::read(path).map_err(failed)
    }
}

fn text(path: &Path) -> Result<String, ExchangeError> {
    let odd = |_| ExchangeError::refused("it is no text of numbers: it is not UTF-8").of(path);
    String::from_utf8(bytes(path)?).map_err(odd)
}

fn of_numbers(mut numbers: BTreeMap<String, Vec<f64>>) -> Result<Indices, ExchangeError> {
    // A single array needs no name.
    let only = (numbers.len() == 1).then(|| numbers.pop_first()).flatten();
    let train = match only {
        Some((_, train)) => Some(train),
        None => numbers.remove(TRAIN),
    };
    let Some(train) = train else {
        return refuse(format!("it has no {TRAIN}"));
    };
    let places = |name: &str, numbers: Vec<f64>| -> Result<Vec<i64>, ExchangeError> {
        let one = |x: f64| {
            if x.fract() == 0.0 && (0.0..=1e15).contains(&x) {
                Ok(x as i64)
            } else {
                refuse(format!(
                    "its {name} have {x}; expected places a·p + b, whole numbers from 0 on"
                ))
            }
        };
        numbers.into_iter().map(one).collect()
    };
    let test = numbers.remove(TEST);
    Ok(Indices {
        train: places(TRAIN, train)?,
        test: test.map(|test| places(TEST, test)).transpose()?,
    })
}

fn of_text(text: &str) -> Result<Indices, ExchangeError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['[', '{']) {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| ExchangeError::refused(format!("it is no JSON: {error}")))?;
        return of_json(&json);
    }
    let parts = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
    let mut train = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(place) => train.push(place),
            Err(_) => {
                return refuse(format!(
                    "it has \"{}\"; expected the places of the pairs trained on, a·p + b, as whole numbers",
                    shown(part)
                ));
            }
        }
    }
    Ok(Indices { train, test: None })
}

fn of_json(json: &Json) -> Result<Indices, ExchangeError> {
    let list = |name: &str, json: &Json| -> Result<Vec<i64>, ExchangeError> {
        let numbers = json
            .as_array()
            .and_then(|list| list.iter().map(Json::as_i64).collect());
        match numbers {
            Some(numbers) => Ok(numbers),
            None => refuse(format!("its {name} are no list of whole numbers")),
        }
    };
    let Some(object) = json.as_object() else {
        return Ok(Indices {
            train: list("places", json)?,
            test: None,
        });
    };
    let Some(train) = object.get(TRAIN) else {
        return refuse(format!("it has no {TRAIN}"));
    };
    Ok(Indices {
        train: list(TRAIN, train)?,
        test: object.get(TEST).map(|test| list(TEST, test)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Indices, String> {
        of_text(text).map_err(|e| e.to_string())
    }

    fn train(places: &[i64]) -> Result<Indices, String> {
        Ok(Indices {
            train: places.to_vec(),
            test: None,
        })
    }

    #[test]
    fn texts_and_json_are_read() {
        assert_eq!(of("0\n4\n8\n"), train(&[0, 4, 8]));
        assert_eq!(of("0, 4;8 9"), train(&[0, 4, 8, 9]));
        assert_eq!(of("[0, 4]"), train(&[0, 4]));
        let both = of("{\"train_indices\": [1], \"test_indices\": [2, 3]}").unwrap();
        assert_eq!((both.train, both.test), (vec![1], Some(vec![2, 3])));
        for (text, says) in [
            ("0 1.5", "\"1.5\""),
            ("a,b", "\"a\""),
            ("\u{1b}[31m", "\\u{1b}"),
            ("[1, \"x\"]", "whole numbers"),
            ("{\"test\": []}", "no train_indices"),
            ("[1", "no JSON"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn arrays_are_read_from_each_format() {
        let folder = tempfile::tempdir().unwrap();
        let array = |name: &str, places: &[i64]| {
            crate::Array::vector(name, crate::Numbers::I64(places.to_vec()))
        };
        let arrays = [array(TRAIN, &[5, 0]), array(TEST, &[7])];
        let path = folder.path().join("x.npz");
        npz::write_npz(&path, &arrays, &[("config", "{}".to_owned())]).unwrap();
        let both = read_indices(&path).unwrap();
        assert_eq!((both.train, both.test), (vec![5, 0], Some(vec![7])));
        let path = folder.path().join("x.safetensors");
        safe::write_safetensors(&path, &[array("anything", &[1 << 40])], &[]).unwrap();
        assert_eq!(read_indices(&path).unwrap().train, [1 << 40]);
        safe::write_safetensors(&path, &[array("a", &[1]), array("b", &[2])], &[]).unwrap();
        let error = read_indices(&path).unwrap_err().to_string();
        assert!(error.contains("no train_indices"), "{error}");
        let missing = read_indices(&folder.path().join("none")).unwrap_err();
        assert!(missing.is_request());
    }
}
