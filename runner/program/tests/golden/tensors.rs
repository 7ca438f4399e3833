//! Reads the fixtures' numbers, and measures how far apart two lists of numbers are.

use std::path::PathBuf;

use safetensors::SafeTensors;

/// Returns the path of a file of `data/`; the engine's tests read the files too.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../program/tests/golden/data")
        .join(name)
}

/// A file of tensors.
pub(crate) struct Tensors(Vec<u8>);

impl Tensors {
    pub(crate) fn read(name: &str) -> Tensors {
        let file = path(&format!("{name}.safetensors"));
        Tensors(std::fs::read(file).expect("the fixture"))
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).expect("safetensors");
        let tensor = file
            .tensor(key)
            .unwrap_or_else(|_| panic!("a tensor {key}"));
        tensor.data().to_vec()
    }

    pub(crate) fn f32(&self, key: &str) -> Vec<f32> {
        let bytes = self.bytes(key);
        let numbers = bytes.as_chunks().0.iter();
        numbers.map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub(crate) fn f64(&self, key: &str) -> Vec<f64> {
        let bytes = self.bytes(key);
        let numbers = bytes.as_chunks().0.iter();
        numbers.map(|b| f64::from_le_bytes(*b)).collect()
    }

    pub(crate) fn i64(&self, key: &str) -> Vec<u32> {
        let bytes = self.bytes(key);
        let numbers = bytes.as_chunks().0.iter();
        numbers
            .map(|b| u32::try_from(i64::from_le_bytes(*b)).expect("a small number"))
            .collect()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the largest distance, as a share of the largest magnitude.
pub(crate) fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let distance = ours.iter().zip(theirs).fold(0.0_f64, |m, (a, b)| {
        if m.is_nan() {
            m
        } else {
            nan_max(m, (a - b).abs())
        }
    });
    distance / largest.max(f64::MIN_POSITIVE)
}

/// Returns the larger of two numbers, or a number that is not one if either is not.
pub(crate) fn nan_max(a: f64, b: f64) -> f64 {
    if a >= b { a } else { b }
}
