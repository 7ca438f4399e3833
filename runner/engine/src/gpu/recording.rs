//! Holds as data what a device does: its buffers with their contents, its kernels and dispatches,
//! and the commands of an epoch.
//!
//! Owns the form of a recording and the limits that every WebGPU device keeps. Knows nothing of
//! models and of devices: an executor loads a recording onto one (`loaded`), a page replays it.

use std::ops::Range;

use grokrun_shaders::{Binding, Kernel};

/// A buffer, all zeros at first.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The buffer's purpose, in words.
    pub label: &'static str,
    /// The length, in numbers of 4 bytes; at least 1.
    pub words: usize,
    /// Whether kernels bind the buffer; other buffers are only copied from.
    pub bound: bool,
}

/// Contents that are written into a buffer before anything is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The index of the buffer in the list.
    pub buffer: usize,
    /// The index of the first word.
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

/// A kernel with its overrides, from which a pipeline is made.
#[derive(Clone, Debug)]
pub struct Specialised {
    /// The text, the entry point and the bindings of the kernel.
    pub kernel: &'static Kernel,
    /// The values of the overrides, by name.
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
    /// The index of the kernel in the list.
    pub kernel: usize,
    /// The words of the kernel's uniform buffer; empty if the kernel has no such buffer.
    pub uniforms: Vec<u32>,
    /// The storage buffers in the order of the kernel's bindings, by their indices in the list.
    pub buffers: Vec<usize>,
    /// The numbers of workgroups in x, y and z.
    pub grid: [u32; 3],
}

/// A place in a buffer, which may move from epoch to epoch: for epoch e of a window, the place is
/// the word `first + e · each`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The index of the buffer in the list.
    pub buffer: usize,
    /// The index of the word for the window's first epoch.
    pub first: usize,
    /// The number of words from epoch to epoch.
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

/// A command for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Runs these dispatches, one after another.
    Run(Range<usize>),
    /// Copies words from one place to another.
    Copy {
        /// The place that is copied from.
        from: Place,
        /// The place that is copied to.
        to: Place,
        /// The number of words.
        words: usize,
    },
}

/// The work of the host around a window of epochs, which are submitted as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The largest number of epochs of a window.
    pub epochs: usize,
    /// The buffer that the coefficients of the window's steps are written into before it, from its
    /// first word on.
    pub steps: usize,
    /// The number of words of coefficients of one epoch.
    pub step_words: usize,
    /// The buffers that are set to zero before it.
    pub zeroed: Vec<usize>,
    /// The buffer that holds the records of the window's epochs after it, from its first word on.
    pub ring: usize,
    /// The number of words of records of one epoch.
    pub ring_words: usize,
}

/// Everything that a device needs in order to train a batch of cells.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The kernels, each once.
    pub kernels: Vec<Specialised>,
    /// The buffers.
    pub buffers: Vec<Memory>,
    /// The contents of the buffers before anything is run; without the states of the cells if an
    /// executor writes those one by one.
    pub contents: Vec<Contents>,
    /// The dispatches.
    pub dispatches: Vec<Dispatch>,
    /// The commands that run once, after the contents were written.
    pub prologue: Vec<Command>,
    /// The commands that run for each epoch.
    pub epoch: Vec<Command>,
    /// The dispatches of the epoch that only evaluate the test samples.
    pub evaluation: Range<usize>,
    /// The work of the host around a window of epochs.
    pub window: Window,
}

/// The number of bytes that every WebGPU device can bind as storage, and that its largest buffer
/// can have.
const MOST_BOUND: u64 = 128 << 20;
const MOST_BUFFER: u64 = 256 << 20;
/// The number of storage buffers of one kernel.
const MOST_STORAGE: usize = 8;
/// The number of workgroups in a dimension of a grid.
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
