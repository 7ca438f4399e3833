//! Keeps compiled kernels between runs, in the user's cache folder, if the adapter can return them
//! (Vulkan's pipeline caches). The files only save time: without the folder, or with a file that is
//! damaged or belongs to another driver, kernels are compiled as if there were no file.

#![expect(
    unsafe_code,
    reason = "wgpu takes a pipeline cache's bytes on trust; `create` says why these can be trusted"
)]

use std::fs;
use std::path::{Path, PathBuf};

use wgpu::{AdapterInfo, Device, Features, PipelineCache, PipelineCacheDescriptor};

use crate::cache::keep_file;

/// The first bytes of a file; the number is the version of the layout.
const MAGIC: &[u8; 8] = b"grokrun1";

/// The pipeline cache of a device, and the path of its file.
pub(crate) struct Kept {
    open: Option<(PipelineCache, PathBuf)>,
    /// the contents of the file when it was opened
    before: Option<Vec<u8>>,
}

impl Kept {
    /// Reads the file of an adapter in `folder`. Nothing is kept without a folder, or if the device
    /// was opened without the feature.
    pub(crate) fn open(device: &Device, info: &AdapterInfo, folder: Option<&Path>) -> Kept {
        let able = device.features().contains(Features::PIPELINE_CACHE);
        let name = wgpu::util::pipeline_cache_key(info).filter(|_| able);
        let Some(path) = folder.zip(name).map(|(folder, name)| folder.join(name)) else {
            return Kept {
                open: None,
                before: None,
            };
        };
        let before = fs::read(&path).ok().and_then(|file| unseal(&file));
        let cache = create(device, before.as_deref());
        Kept {
            open: Some((cache, path)),
            before,
        }
    }

    /// Returns the cache for the pipelines that are made.
    pub(crate) fn cache(&self) -> Option<&PipelineCache> {
        self.open.as_ref().map(|(cache, _)| cache)
    }

    /// Writes the file, whole or not at all, if there is anything new. A failure only means that
    /// the next run compiles again.
    pub(crate) fn save(&self) {
        let Some((cache, path)) = &self.open else {
            return;
        };
        let data = cache.get_data();
        if data.is_none() || data == self.before {
            return;
        }
        // A failure is not reported, as described above.
        let _ = data.map(|data| keep_file(path, &seal(&data)));
    }
}

fn create(device: &Device, data: Option<&[u8]>) -> PipelineCache {
    let descriptor = PipelineCacheDescriptor {
        label: Some("kernels"),
        data,
        fallback: true,
    };
    // SAFETY: the bytes must come from `PipelineCache::get_data`. `unseal` returns only bytes that
    // `seal` was given, unchanged; wgpu and the driver check that the bytes belong to this adapter
    // and driver.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

/// Returns the FNV-1a checksum, which distinguishes a damaged file from a whole one.
fn sum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn seal(data: &[u8]) -> Vec<u8> {
    [MAGIC, &sum(data).to_le_bytes()[..], data].concat()
}

/// Returns the sealed bytes; `None` if a byte is missing or wrong.
fn unseal(file: &[u8]) -> Option<Vec<u8>> {
    let (expected, data) = file.strip_prefix(MAGIC)?.split_at_checked(8)?;
    (sum(data).to_le_bytes() == expected).then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        let data: Vec<u8> = (0..=255).collect();
        let file = seal(&data);
        assert_eq!(unseal(&file), Some(data));
        for cut in [0, 7, 8, 15, 16, file.len() - 1] {
            assert_eq!(unseal(&file[..cut]), None, "{cut} bytes");
        }
        for place in [0, 8, 16, file.len() - 1] {
            let mut other = file.clone();
            other[place] ^= 1;
            assert_eq!(unseal(&other), None, "byte {place}");
        }
    }
}
