//! What a device is told, as data: its buffers and what is in them, its kernels and dispatches, and
//! which of them an epoch is.
//!
//! Owns the form of a recording and the limits that every WebGPU device keeps. Knows nothing of
//! models and of devices: an executor loads a recording onto one (`loaded`), a page replays it.

use std::ops::Range;

use grokrun_shaders::{Binding, Kernel};

/// A buffer, all zeros at first.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// What it is for, in words.
    pub label: &'static str,
    /// Its length, in numbers of 4 bytes; at least 1.
    pub words: usize,
    /// Whether kernels bind it; the others are only copied from.
    pub bound: bool,
}

/// What is written into a buffer before anything is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The buffer's place in the list.
    pub buffer: usize,
    /// The first word.
    pub first: usize,
    /// The words: u32, or the bits of f32.
    pub words: Vec<u32>,
}

impl Contents {
    /// Returns f32 numbers as contents.
    pub(crate) fn of_numbers(buffer: usize, first: usize, numbers: &[f32]) -> Contents {
        Contents {
            buffer,
            first,
            words: bytemuck::cast_slice(numbers).to_vec(),
        }
    }
}

/// A kernel and its overrides: what a pipeline is made of.
#[derive(Clone, Debug)]
pub struct Specialised {
    /// The text, the entry point and the bindings.
    pub kernel: &'static Kernel,
    /// The overrides, by name.
    pub constants: Vec<(&'static str, f64)>,
}

impl From<&'static Kernel> for Specialised {
    fn from(kernel: &'static Kernel) -> Specialised {
        Specialised::new(kernel, Vec::new())
    }
}

impl Specialised {
    pub(crate) fn new(kernel: &'static Kernel, constants: Vec<(&'static str, f64)>) -> Specialised {
        Specialised { kernel, constants }
    }
}

/// One run of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The kernel's place in the list.
    pub kernel: usize,
    /// The words of its uniform buffer; none if it has no such buffer.
    pub uniforms: Vec<u32>,
    /// The storage buffers in the order of its bindings, by their places in the list.
    pub buffers: Vec<usize>,
    /// The workgroups in x, y and z.
    pub grid: [u32; 3],
}

/// A place in a buffer, which may move on from epoch to epoch: of epoch e of a window it is the
/// word `first + e · each`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The buffer's place in the list.
    pub buffer: usize,
    /// The word of the window's first epoch.
    pub first: usize,
    /// Words from epoch to epoch.
    pub each: usize,
}

impl Place {
    /// Returns the start of a buffer, at every epoch.
    pub(crate) fn start(buffer: usize) -> Place {
        Place {
            buffer,
            first: 0,
            each: 0,
        }
    }

    /// Returns the word at an epoch of the window.
    pub(crate) fn at(&self, epoch: usize) -> usize {
        self.first + epoch * self.each
    }
}

/// What a device does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Runs these dispatches, one after the other.
    Run(Range<usize>),
    /// Copies so many words.
    Copy {
        /// Where from.
        from: Place,
        /// Where to.
        to: Place,
        /// How many.
        words: usize,
    },
}

/// What the host does around a window of epochs, which are submitted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Epochs of one window, at most.
    pub epochs: usize,
    /// The buffer that the coefficients of the window's steps are written into before it, from its
    /// first word on.
    pub steps: usize,
    /// Words of coefficients of one epoch.
    pub step_words: usize,
    /// The buffers that are set to zero before it.
    pub zeroed: Vec<usize>,
    /// The buffer that holds the records of the window's epochs after it, from its first word on.
    pub ring: usize,
    /// Words of records of one epoch.
    pub ring_words: usize,
}

/// All that a device is told of cells that train together.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Each once.
    pub kernels: Vec<Specialised>,
    /// The buffers.
    pub buffers: Vec<Memory>,
    /// What is in them before anything is run, but for the states of the cells where an executor
    /// writes those one by one.
    pub contents: Vec<Contents>,
    /// The dispatches.
    pub dispatches: Vec<Dispatch>,
    /// What is run once, after the contents were written.
    pub prologue: Vec<Command>,
    /// What is run for each epoch.
    pub epoch: Vec<Command>,
    /// What is done around a window of epochs.
    pub window: Window,
}

/// Bytes that any WebGPU device binds at once as storage, and that its largest buffer has.
const MOST_BOUND: u64 = 128 << 20;
const MOST_BUFFER: u64 = 256 << 20;
/// Storage buffers of one kernel.
const MOST_STORAGE: usize = 8;
/// Workgroups in a dimension of a grid.
pub(crate) const MOST_GROUPS: u64 = 65_535;

impl Recording {
    /// Returns what a device of WebGPU's default limits has no room for, in words; nothing if it
    /// has room for all. The limits inside of a kernel (256 invocations and 16 KiB a workgroup)
    /// are kept by every kernel of `grokrun-shaders`.
    pub fn exceeds_default_limits(&self) -> Option<String> {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        for memory in &self.buffers {
            let bytes = (memory.words as u64).saturating_mul(4);
            let most = if memory.bound {
                MOST_BOUND
            } else {
                MOST_BUFFER
            };
            if bytes > most {
                return Some(format!(
                    "the buffer of {} takes {} MiB; WebGPU promises {} MiB",
                    memory.label,
                    mib(bytes),
                    mib(most)
                ));
            }
        }
        for dispatch in &self.dispatches {
            let kernel = self.kernels[dispatch.kernel].kernel;
            if dispatch.grid.iter().any(|n| u64::from(*n) > MOST_GROUPS) {
                return Some(format!(
                    "kernel {} is run on a grid of {:?} workgroups; WebGPU promises {MOST_GROUPS} a dimension",
                    kernel.name, dispatch.grid
                ));
            }
            let storage = kernel.bindings.iter().filter(|b| **b != Binding::Uniform);
            let storage = storage.count();
            if storage > MOST_STORAGE {
                return Some(format!(
                    "kernel {} binds {storage} storage buffers; WebGPU promises {MOST_STORAGE}",
                    kernel.name
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_shaders::ROWS;

    fn recording(words: usize, bound: bool, groups: u32) -> Recording {
        Recording {
            kernels: vec![(&ROWS).into()],
            buffers: vec![Memory {
                label: "tables",
                words,
                bound,
            }],
            dispatches: vec![Dispatch {
                kernel: 0,
                uniforms: Vec::new(),
                buffers: vec![0],
                grid: [1, groups, 1],
            }],
            ..Recording::default()
        }
    }

    #[test]
    fn what_any_device_has_room_for_is_let_through_and_a_word_more_is_not() {
        let refused = |words, bound, groups| {
            let recording = recording(words, bound, groups);
            recording.exceeds_default_limits().unwrap_or_default()
        };
        assert_eq!(refused(32 << 20, true, 65_535), "");
        assert_eq!(refused(64 << 20, false, 1), "");
        let larger = refused((32 << 20) + 1, true, 1);
        assert!(larger.contains("tables takes 129 MiB"), "{larger}");
        let larger = refused((64 << 20) + 1, false, 1);
        assert!(
            larger.contains("257 MiB; WebGPU promises 256 MiB"),
            "{larger}"
        );
        assert!(refused(1, true, 65_536).contains("kernel rows"));
    }
}
