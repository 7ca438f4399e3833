//! Assembles a recording: buffers with their contents, and dispatches in their order.

use grokrun_executor::EngineError;

use super::recording::{Command, Contents, Dispatch, MOST_GROUPS, Memory, Recording, Specialised};

/// Collects buffers and dispatches.
#[derive(Default)]
pub(crate) struct Recorder {
    recording: Recording,
    too_large: Option<&'static str>,
}

impl Recorder {
    /// Adds a buffer of `words` numbers that kernels bind, and returns its index.
    pub(crate) fn zeros(&mut self, label: &'static str, words: usize) -> usize {
        self.memory(label, words, true)
    }

    /// Adds a buffer that is only copied from, and returns its index.
    pub(crate) fn copied(&mut self, label: &'static str, words: usize) -> usize {
        self.memory(label, words, false)
    }

    /// Adds a buffer with these words in it, and returns its index.
    pub(crate) fn filled(&mut self, label: &'static str, words: Vec<u32>) -> usize {
        let buffer = self.zeros(label, words.len());
        self.recording.contents.push(Contents {
            buffer,
            first: 0,
            words,
        });
        buffer
    }

    fn memory(&mut self, label: &'static str, words: usize, bound: bool) -> usize {
        let words = words.max(1);
        self.recording.buffers.push(Memory {
            label,
            words,
            bound,
        });
        self.recording.buffers.len() - 1
    }

    /// Adds the contents that a buffer has before anything is run.
    pub(crate) fn write(&mut self, contents: Contents) {
        self.recording.contents.push(contents);
    }

    /// Adds a dispatch. `parameters` are the kernel's uniforms in the order of their declaration
    /// (empty if the kernel has no uniform buffer), `buffers` its storage bindings in order, `grid`
    /// its workgroups.
    pub(crate) fn dispatch(
        &mut self,
        kernel: impl Into<Specialised>,
        parameters: &[u32],
        buffers: &[usize],
        grid: [u64; 3],
    ) {
        let kernel = kernel.into();
        if grid.iter().any(|groups| *groups > MOST_GROUPS) {
            self.too_large = Some(kernel.kernel.name);
        }
        let kernel = self.place_of(kernel);
        self.recording.dispatches.push(Dispatch {
            kernel,
            uniforms: parameters.to_vec(),
            buffers: buffers.to_vec(),
            grid: grid.map(|groups| groups.min(MOST_GROUPS) as u32),
        });
    }

    /// Returns the number of dispatches so far, which marks the borders of lists.
    pub(crate) fn len(&self) -> usize {
        self.recording.dispatches.len()
    }

    fn place_of(&mut self, kernel: Specialised) -> usize {
        let alike = |known: &Specialised| {
            known.kernel.name == kernel.kernel.name && known.constants == kernel.constants
        };
        let kernels = &mut self.recording.kernels;
        match kernels.iter().position(alike) {
            Some(place) => place,
            None => {
                kernels.push(kernel);
                kernels.len() - 1
            }
        }
    }

    /// Returns the recording of these commands.
    ///
    /// # Errors
    /// When a grid is larger than any device allows.
    pub(crate) fn finish(
        self,
        prologue: Vec<Command>,
        epoch: Vec<Command>,
    ) -> Result<Recording, EngineError> {
        if let Some(kernel) = self.too_large {
            return Err(EngineError::Memory(format!(
                "kernel {kernel} would need more than {MOST_GROUPS} workgroups; expected a smaller modulus or batch, or --backend cpu"
            )));
        }
        Ok(Recording {
            prologue,
            epoch,
            ..self.recording
        })
    }
}
