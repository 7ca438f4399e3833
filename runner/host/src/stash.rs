//! Numbers that an analysis keeps for its later calls: by name, on the disk, within bounds.

use std::collections::BTreeMap;

use crate::scratch::{Parcel, Scratch};

/// The most bytes that an analysis may keep for one cell.
const MOST_BYTES: u64 = 1 << 30;

/// Holds what one analysis keeps for one cell.
#[derive(Debug, Default)]
pub(crate) struct Stash {
    /// each a list of float32 numbers, little-endian
    parcels: BTreeMap<String, Parcel>,
}

impl Stash {
    /// Replaces the numbers under this name; an empty slice releases them.
    ///
    /// # Errors
    /// A sentence, if the numbers exceed the bound or the disk is full.
    pub(crate) fn put(
        &mut self,
        scratch: &Scratch,
        name: &str,
        numbers: &[f32],
    ) -> Result<(), String> {
        // The pages of the earlier numbers are used again.
        self.parcels.remove(name);
        if numbers.is_empty() {
            return Ok(());
        }
        let others: u64 = self.parcels.values().map(Parcel::len).sum();
        if others + size_of_val(numbers) as u64 > MOST_BYTES {
            return Err(format!(
                "it asked to keep more than {} MB for one cell; keep less, or release an entry by keeping an empty slice under its name",
                MOST_BYTES / 1_000_000
            ));
        }
        let parcel = scratch.put(&bytes_of(numbers)).map_err(|error| {
            format!("the numbers that it asked to keep cannot be kept beside the run: {error}")
        })?;
        self.parcels.insert(name.to_owned(), parcel);
        Ok(())
    }

    /// Returns the numbers under this name, or an empty list.
    ///
    /// # Errors
    /// A sentence, if the disk does not return them.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<f32>, String> {
        let Some(parcel) = self.parcels.get(name) else {
            return Ok(Vec::new());
        };
        let bytes = parcel
            .read()
            .map_err(|error| format!("the numbers under {name:?} cannot be read: {error}"))?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().map(|x| f32::from_le_bytes(*x)).collect())
    }
}

/// Returns the numbers as float32, little-endian.
pub(crate) fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_under_their_name_until_they_are_released() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        let mut stash = Stash::default();
        let many: Vec<f32> = (0..40_000).map(|i| i as f32 / 3.0).collect();
        stash.put(&scratch, "many", &many).unwrap();
        stash.put(&scratch, "few", &[f32::NAN, -0.0]).unwrap();
        for _ in 0..2 {
            assert_eq!(stash.get("many").unwrap(), many);
        }
        let few: Vec<u32> = stash
            .get("few")
            .unwrap()
            .iter()
            .map(|x| x.to_bits())
            .collect();
        assert_eq!(few, [f32::NAN.to_bits(), (-0.0f32).to_bits()]);
        stash.put(&scratch, "many", &[1.0]).unwrap();
        assert_eq!(stash.get("many").unwrap(), [1.0]);
        stash.put(&scratch, "many", &[]).unwrap();
        assert!(stash.get("many").unwrap().is_empty());
    }

    #[test]
    fn a_disk_without_room_is_reported() {
        let scratch = Scratch::new(std::path::Path::new("/nowhere/at/all"));
        let why = Stash::default().put(&scratch, "x", &[1.0]).unwrap_err();
        assert!(why.contains("cannot be kept"), "{why}");
    }
}
