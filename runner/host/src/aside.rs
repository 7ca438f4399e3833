//! Numbers that an analysis puts aside for its later calls: by name, on the disk, within bounds.

use std::collections::BTreeMap;

use crate::scratch::{Parcel, Scratch};

/// The most bytes that an analysis may have put aside of one cell.
const MOST_BYTES: u64 = 1 << 30;

/// What one analysis has put aside of one cell.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// float32, little-endian
    parcels: BTreeMap<String, Parcel>,
}

impl Aside {
    /// Puts numbers in the place of those under this name; none let go of those.
    ///
    /// # Errors
    /// A sentence, when it is too much, or the disk has no room.
    pub(crate) fn put(
        &mut self,
        scratch: &Scratch,
        name: &str,
        numbers: &[f32],
    ) -> Result<(), String> {
        // Its room is used again.
        self.parcels.remove(name);
        if numbers.is_empty() {
            return Ok(());
        }
        let others: u64 = self.parcels.values().map(Parcel::len).sum();
        if others + size_of_val(numbers) as u64 > MOST_BYTES {
            return Err(format!(
                "it wants to keep more than {} MB of one cell; expected less, or some of it let go of",
                MOST_BYTES / 1_000_000
            ));
        }
        let parcel = scratch.put(&bytes_of(numbers)).map_err(|error| {
            format!("what it wants to keep cannot be kept beside the run: {error}")
        })?;
        self.parcels.insert(name.to_owned(), parcel);
        Ok(())
    }

    /// The numbers under this name, none if there are none.
    ///
    /// # Errors
    /// A sentence, when the disk does not give them back.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<f32>, String> {
        let Some(parcel) = self.parcels.get(name) else {
            return Ok(Vec::new());
        };
        let bytes = parcel
            .read()
            .map_err(|error| format!("what is kept under {name:?} cannot be read: {error}"))?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().map(|x| f32::from_le_bytes(*x)).collect())
    }
}

/// As float32, little-endian.
pub(crate) fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_under_their_name_until_they_are_let_go_of() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        let mut aside = Aside::default();
        let many: Vec<f32> = (0..40_000).map(|i| i as f32 / 3.0).collect();
        aside.put(&scratch, "many", &many).unwrap();
        aside.put(&scratch, "few", &[f32::NAN, -0.0]).unwrap();
        for _ in 0..2 {
            assert_eq!(aside.get("many").unwrap(), many);
        }
        let few: Vec<u32> = aside
            .get("few")
            .unwrap()
            .iter()
            .map(|x| x.to_bits())
            .collect();
        assert_eq!(few, [f32::NAN.to_bits(), (-0.0f32).to_bits()]);
        aside.put(&scratch, "many", &[1.0]).unwrap();
        assert_eq!(aside.get("many").unwrap(), [1.0]);
        aside.put(&scratch, "many", &[]).unwrap();
        assert!(aside.get("many").unwrap().is_empty());
    }

    #[test]
    fn a_disk_without_room_is_told() {
        let scratch = Scratch::new(std::path::Path::new("/nowhere/at/all"));
        let why = Aside::default().put(&scratch, "x", &[1.0]).unwrap_err();
        assert!(why.contains("cannot be kept"), "{why}");
    }
}
