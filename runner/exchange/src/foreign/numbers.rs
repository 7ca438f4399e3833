//! Reads the numbers that a file of `torch.save` has beside its models: lists, arrays and tensors.

use std::collections::BTreeMap;

use crate::ExchangeError;
use crate::error::refuse;
use crate::pickle::Value;
use crate::torch::TorchFile;

/// The largest number that float64 counts without gaps.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns the numbers of a list (of Python's or numpy's numbers, or of tensors of one number), of
/// a numpy array, of a range or of a tensor; none if the value is something else.
pub(super) fn numbers(
    file: &mut TorchFile,
    value: Value,
) -> Result<Option<Vec<f64>>, ExchangeError> {
    if let Value::Tensor(place) = value {
        let tensor = file.pickle.tensors[place as usize].clone();
        return file.numbers(&tensor).map(Some);
    }
    if let Some((_, numbers)) = file.pickle.array(value) {
        return Ok(Some(numbers));
    }
    let Some(items) = file.pickle.items(value).map(<[Value]>::to_vec) else {
        return Ok(None);
    };
    let mut tensors = Vec::new();
    for item in &items {
        if let Value::Tensor(place) = item {
            let tensor = file.pickle.tensors[*place as usize].clone();
            if tensor.len() != 1 {
                return Ok(None);
            }
            tensors.push(tensor);
        }
    }
    let mut of_tensors = file.single_numbers(&tensors)?.into_iter();
    let one = |item: &Value| match item {
        Value::Tensor(_) => of_tensors.next(),
        Value::Object(_) => {
            let (_, numbers) = file.pickle.array(*item)?;
            <[f64; 1]>::try_from(numbers).ok().map(|[number]| number)
        }
        other => file.pickle.number(*other),
    };
    Ok(items.iter().map(one).collect())
}

/// Returns one number, in any of these forms.
pub(super) fn number(file: &mut TorchFile, value: Value) -> Result<Option<f64>, ExchangeError> {
    if let Some(number) = file.pickle.number(value) {
        return Ok(Some(number));
    }
    match value {
        Value::Tensor(place) if file.pickle.tensors[place as usize].len() == 1 => {
            let tensor = file.pickle.tensors[place as usize].clone();
            Ok(file.single_numbers(&[tensor])?.first().copied())
        }
        _ => Ok(None),
    }
}

/// Returns a number as one of 0, 1, 2, …, if it is one.
pub(super) fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=LARGEST_WHOLE).contains(&number)).then_some(number as u64)
}

/// Returns the same as [`numbers`], if all of them are 0, 1, 2, ….
pub(super) fn wholes(
    file: &mut TorchFile,
    value: Value,
) -> Result<Option<Vec<u64>>, ExchangeError> {
    Ok(numbers(file, value)?.and_then(|numbers| numbers.into_iter().map(whole).collect()))
}

/// Returns the places of the pairs of both parts.
pub(super) fn split(
    file: &mut TorchFile,
    entries: &BTreeMap<String, Value>,
) -> Result<Option<[Vec<i64>; 2]>, ExchangeError> {
    let mut part = |name: &str| match entries.get(name) {
        None => Ok(None),
        Some(value) => match wholes(file, *value)? {
            Some(part) => Ok(Some(part.into_iter().map(u64::cast_signed).collect())),
            None => refuse(format!(
                "its {name} are no tensor, array or list of places; expected whole numbers from 0 on"
            )),
        },
    };
    let [train, test] = [part("train_indices")?, part("test_indices")?];
    both(train, test)
}

/// Returns both parts, or neither.
///
/// # Errors
/// If there is one without the other.
pub(super) fn both(
    train: Option<Vec<i64>>,
    test: Option<Vec<i64>>,
) -> Result<Option<[Vec<i64>; 2]>, ExchangeError> {
    match (train, test) {
        (Some(train), Some(test)) => Ok(Some([train, test])),
        (None, None) => Ok(None),
        _ => refuse(
            "it has train_indices or test_indices without the other; expected both or neither",
        ),
    }
}
