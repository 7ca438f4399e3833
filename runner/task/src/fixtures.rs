//! Reads the vectors in `fixtures/`, for tests. They were made with torch 2.15.0, TransformerLens
//! 3.9.0 and Python 3.11; each file says what it holds.

use serde_json::Value;

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn numbers(list: &Value) -> Vec<u32> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap() as u32)
        .collect()
}

/// Returns the bit patterns of a list of eight-digit hexadecimals.
pub(crate) fn bits(list: &Value) -> Vec<u32> {
    let digits = |pattern: &Value| u32::from_str_radix(pattern.as_str().unwrap(), 16).unwrap();
    list.as_array().unwrap().iter().map(digits).collect()
}

pub(crate) fn sha256_of_i64(numbers: &[u32]) -> String {
    sha256(numbers.iter().flat_map(|&n| i64::from(n).to_le_bytes()))
}

pub(crate) fn sha256_of_f32(numbers: &[f32]) -> String {
    sha256(numbers.iter().flat_map(|n| n.to_le_bytes()))
}

fn sha256(bytes: impl Iterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.collect();
    hmac_sha256::Hash::hash(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
