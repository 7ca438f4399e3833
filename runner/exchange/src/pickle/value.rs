//! Holds the values of a pickle: small ones that are copied, and an arena that they refer to.

use super::Global;
use super::global::Dtype;
use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::shown;

/// A value; numbers in it are places in the [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// start and length in the pickle's bytes
    Text(u32, u32),
    Bytes(u32, u32),
    Global(Global),
    Tuple(u32),
    List(u32),
    Dict(u32),
    Storage(u32),
    Tensor(u32),
    Object(u32),
}

/// A run of numbers in an entry of the archive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage {
    pub(crate) dtype: Dtype,
    /// start and length, in the pickle's bytes, of the entry's name
    pub(crate) key: (u32, u32),
    /// count of the numbers
    pub(crate) len: u64,
}

/// A checked view of a storage: it lies inside, and has no more numbers than the storage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorRef {
    pub(crate) storage: Storage,
    pub(crate) offset: u64,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<u64>,
}

impl TensorRef {
    /// Returns how many numbers the view has.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The record of a call: nothing was called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    pub(crate) global: Global,
    pub(crate) arguments: Value,
    pub(crate) state: Value,
}

/// All values of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tuples: Vec<Box<[Value]>>,
    pub(crate) lists: Vec<Vec<Value>>,
    pub(crate) dicts: Vec<Vec<(Value, Value)>>,
    pub(crate) storages: Vec<Storage>,
    pub(crate) tensors: Vec<TensorRef>,
    pub(crate) objects: Vec<Object>,
    pub(crate) root: Value,
}

impl Pickle {
    /// Returns the text of a value, if it is one.
    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(start, len) => self.slice(start, len),
            _ => None,
        }
    }

    pub(crate) fn slice(&self, start: u32, len: u32) -> Option<&str> {
        std::str::from_utf8(self.raw(start, len)).ok()
    }

    pub(crate) fn raw(&self, start: u32, len: u32) -> &[u8] {
        let start = start as usize;
        self.bytes.get(start..start + len as usize).unwrap_or(&[])
    }

    /// Returns the items of a list or tuple.
    pub(crate) fn items(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::List(i) => Some(&self.lists[i as usize]),
            Value::Tuple(i) => Some(&self.tuples[i as usize]),
            _ => None,
        }
    }

    /// Returns the entries of a dictionary, or the fields of a configuration object. Keys that are
    /// not texts are left out.
    ///
    /// # Errors
    /// If a key is there twice.
    pub(crate) fn entries(
        &self,
        value: Value,
    ) -> Result<Option<Vec<(&str, Value)>>, ExchangeError> {
        let dict = match value {
            Value::Dict(i) => i,
            Value::Object(i) => match self.objects[i as usize] {
                Object {
                    global: Global::Config,
                    state: Value::Dict(i),
                    ..
                } => i,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let entry = |(key, value): &(Value, Value)| Some((self.text(*key)?, *value));
        let entries: Vec<_> = self.dicts[dict as usize].iter().filter_map(entry).collect();
        let mut keys: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse(format!("it has {} twice in one dictionary", shown(pair[0])));
        }
        Ok(Some(entries))
    }
}
