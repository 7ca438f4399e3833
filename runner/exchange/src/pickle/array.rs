//! Reads numbers in a pickle: Python's, numpy's scalars and arrays, ranges. Tensors are not among
//! them: their numbers lie outside of the pickle.

use super::Global;
use super::value::{Object, Pickle, Value};
use crate::numpy::{NumpyType, row_major};

/// The most numbers of a range.
const LONGEST_RANGE: i64 = 1 << 20;

impl Pickle {
    /// Returns a number: Python's, a numpy scalar, or a numpy array of one number without
    /// dimensions.
    pub(crate) fn number(&self, value: Value) -> Option<f64> {
        match value {
            Value::Int(i) => Some(i as f64),
            Value::Float(x) => Some(x),
            Value::Object(_) => match self.array(value)? {
                (shape, numbers) if shape.is_empty() => numbers.first().copied(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the shape and the numbers, row-major, of a numpy scalar, a numpy array or a range.
    pub(crate) fn array(&self, value: Value) -> Option<(Vec<usize>, Vec<f64>)> {
        let Value::Object(place) = value else {
            return None;
        };
        let object = self.objects[place as usize];
        let arguments = self.items(object.arguments)?;
        match (object.global, arguments) {
            (Global::NumpyScalar, &[dtype, bytes]) => {
                let (kind, bytes) = (self.numpy_type(dtype)?, self.bytes_of(bytes)?);
                let bytes = bytes.get(..kind.width())?;
                Some((Vec::new(), kind.numbers(bytes)))
            }
            (Global::NumpyArray, _) => {
                // (version, shape, type, order of Fortran, bytes)
                let &[_, shape, dtype, fortran, bytes] = self.items(object.state)? else {
                    return None;
                };
                self.numpy_array(shape, dtype, fortran == Value::Bool(true), bytes)
            }
            (Global::NumpyBuffer, &[bytes, dtype, shape, order]) => {
                self.numpy_array(shape, dtype, self.text(order) == Some("F"), bytes)
            }
            (Global::Range, &[Value::Int(start), Value::Int(stop), Value::Int(step)]) => {
                let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
                let ahead = (stop - start) * step.signum();
                let len = match step {
                    0 => return None,
                    _ if ahead <= 0 => 0,
                    _ => (ahead + step.abs() - 1) / step.abs(),
                };
                let len = i64::try_from(len)
                    .ok()
                    .filter(|len| *len <= LONGEST_RANGE)?;
                let number = |i: i64| (start + i128::from(i) * step) as f64;
                Some((vec![len as usize], (0..len).map(number).collect()))
            }
            _ => None,
        }
    }

    fn numpy_array(
        &self,
        shape: Value,
        dtype: Value,
        fortran: bool,
        bytes: Value,
    ) -> Option<(Vec<usize>, Vec<f64>)> {
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        let shape: Vec<usize> = self.items(shape)?.iter().map(size).collect::<Option<_>>()?;
        let (kind, bytes) = (self.numpy_type(dtype)?, self.bytes_of(bytes)?);
        let want = shape
            .iter()
            .try_fold(kind.width(), |all, size| all.checked_mul(*size));
        (want == Some(bytes.len())).then(|| {
            let numbers = kind.numbers(&bytes);
            let numbers = if fortran {
                row_major(&shape, &numbers)
            } else {
                numbers
            };
            (shape, numbers)
        })
    }

    /// Returns the type that a `numpy.dtype` stands for: its code is its argument, its byte order a
    /// part of its state.
    fn numpy_type(&self, value: Value) -> Option<NumpyType> {
        let object = self.made_by(value, Global::NumpyDtype)?;
        let code = self.text(*self.items(object.arguments)?.first()?)?;
        let kind = NumpyType::parse(code)?;
        let order = self.items(object.state).and_then(|state| state.get(1));
        Some(match order.and_then(|order| self.text(*order)) {
            Some(order) => kind.with_order(order),
            None => kind,
        })
    }

    /// Returns bytes; protocol 2 has none, there they are a text in Latin-1.
    fn bytes_of(&self, value: Value) -> Option<Vec<u8>> {
        match value {
            Value::Bytes(start, len) => Some(self.raw(start, len).to_vec()),
            other => {
                let object = self.made_by(other, Global::Encode)?;
                let text = self.text(*self.items(object.arguments)?.first()?)?;
                text.chars()
                    .map(|c| u8::try_from(u32::from(c)).ok())
                    .collect()
            }
        }
    }

    fn made_by(&self, value: Value, global: Global) -> Option<Object> {
        let Value::Object(place) = value else {
            return None;
        };
        let object = self.objects[place as usize];
        (object.global == global).then_some(object)
    }
}
