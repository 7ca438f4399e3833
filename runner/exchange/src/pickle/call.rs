//! Interprets calls, states and persistent names in a pickle as values: nothing is called.

use super::Global;
use super::read::{Done, Machine};
use super::value::{Storage, TensorRef, Value};
use crate::ExchangeError;
use crate::error::refuse;

/// The most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

impl Machine {
    /// Replaces the call of a known name by the value that it stands for.
    pub(super) fn reduce(&mut self) -> Done {
        let arguments = self.pop()?;
        let Value::Global(global) = self.pop()? else {
            return refuse("it calls something that has no name");
        };
        let items = self.pickle.items(arguments).unwrap_or(&[]).to_vec();
        let value = match global {
            Global::OrderedDict if items.is_empty() => self.dict(),
            Global::RebuildTensor => self.tensor(&items)?,
            Global::RebuildParameter => match items.first() {
                Some(tensor @ Value::Tensor(_)) => *tensor,
                _ => return refuse("it has a parameter without a tensor"),
            },
            Global::NumpyScalar
            | Global::NumpyArray
            | Global::NumpyBuffer
            | Global::NumpyDtype
            | Global::Range
            | Global::Encode
            | Global::Config
            | Global::Inert => self.object(global, arguments),
            Global::OrderedDict | Global::Storage(_) | Global::NumpyClass => {
                return refuse(format!(
                    "it calls {global:?} with arguments that are not its"
                ));
            }
        };
        self.push(value)
    }

    /// Keeps the state of an object; that of a dictionary (its `_metadata`) has no meaning here.
    pub(super) fn build(&mut self) -> Done {
        let state = self.pop()?;
        match self.top()? {
            Value::Object(object) => {
                self.pickle.objects[object as usize].state = state;
                Ok(())
            }
            Value::Dict(_) => Ok(()),
            _ => refuse("it gives a state to something that has none"),
        }
    }

    /// Reads a storage: `("storage", type, key, device, numbers)`.
    pub(super) fn storage(&mut self) -> Done {
        let id = self.pop()?;
        let found = match self.pickle.items(id) {
            Some(
                &[
                    kind,
                    Value::Global(Global::Storage(dtype)),
                    Value::Text(start, len),
                    Value::Text(..),
                    Value::Int(numbers),
                ],
            ) if self.pickle.text(kind) == Some("storage") => {
                let numbers = u64::try_from(numbers).ok();
                numbers.map(|numbers| (dtype, (start, len), numbers))
            }
            _ => None,
        };
        let Some((dtype, key, len)) = found else {
            return refuse("it has a storage that is not described as torch.save does");
        };
        self.pickle.storages.push(Storage { dtype, key, len });
        self.push(Value::Storage((self.pickle.storages.len() - 1) as u32))
    }

    /// Reads a tensor: `(storage, offset, sizes, strides, requires_grad, hooks[, metadata])`.
    fn tensor(&mut self, items: &[Value]) -> Result<Value, ExchangeError> {
        let odd = || refuse("it has a tensor that is not described as torch.save does");
        let [
            Value::Storage(storage),
            Value::Int(offset),
            sizes,
            strides,
            ..,
        ] = items
        else {
            return odd();
        };
        let storage = self.pickle.storages[*storage as usize];
        let whole = |value: &Value| match value {
            Value::Int(x) => u64::try_from(*x).ok(),
            _ => None,
        };
        let list = |value: &Value| -> Option<Vec<u64>> {
            self.pickle.items(*value)?.iter().map(whole).collect()
        };
        let (Some(sizes), Some(strides), Ok(offset)) =
            (list(sizes), list(strides), u64::try_from(*offset))
        else {
            return odd();
        };
        if sizes.len() != strides.len() || sizes.len() > MOST_DIMENSIONS {
            return odd();
        }
        let tensor = view(storage, offset, &sizes, strides);
        let Some(tensor) = tensor else {
            return refuse(format!(
                "it has a tensor {sizes:?} that does not fit the {} numbers of its storage",
                storage.len
            ));
        };
        self.pickle.tensors.push(tensor);
        Ok(Value::Tensor((self.pickle.tensors.len() - 1) as u32))
    }
}

/// Returns the view, if it lies inside the storage and has no more numbers than the storage.
fn view(storage: Storage, offset: u64, sizes: &[u64], strides: Vec<u64>) -> Option<TensorRef> {
    let mut numbers: u64 = 1;
    let mut last = offset;
    let empty = sizes.contains(&0);
    for (size, stride) in sizes.iter().zip(&strides) {
        numbers = numbers.checked_mul(*size)?;
        last = last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)?;
    }
    if !empty && (last >= storage.len || numbers > storage.len) {
        return None;
    }
    let shape = sizes.iter().map(|n| usize::try_from(*n).ok());
    Some(TensorRef {
        storage,
        offset,
        shape: shape.collect::<Option<_>>()?,
        strides,
    })
}
