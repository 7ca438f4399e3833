//! Weights from any `.safetensors` file, of a run or exported: what a cell may begin with.

use std::path::Path;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::error::{ErrorKind, StoreError};
use crate::regular;
use crate::tensors::Tensor;

/// Reads the float32 and float16 arrays of a `.safetensors` file as float32, in order of their
/// names; others, masks for instance, are left out.
///
/// # Errors
/// The file cannot be read, or is none of this format.
pub fn read_weights(path: &Path) -> Result<Vec<Tensor>, StoreError> {
    let bytes = regular::read(path).map_err(|error| StoreError::io("cannot read", path, &error))?;
    let refused = |why: String| {
        let shown = path.display();
        let message = format!("{shown} is no .safetensors file: {why}");
        StoreError::new(ErrorKind::Altered, path, message)
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| refused(error.to_string()))?;
    let mut found: Vec<_> = file.iter().collect();
    found.sort_by_key(|(name, _)| *name);
    let mut tensors = Vec::new();
    for (name, view) in found {
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => {
                let numbers = bytes.as_chunks::<4>().0.iter();
                numbers.map(|number| f32::from_le_bytes(*number)).collect()
            }
            Dtype::F16 => {
                let numbers = bytes.as_chunks::<2>().0.iter();
                numbers
                    .map(|number| f16::from_le_bytes(*number).to_f32())
                    .collect()
            }
            _ => continue,
        };
        tensors.push(Tensor {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            data,
        });
    }
    Ok(tensors)
}
