//! The form in which a recording leaves the process: JSON, with words as base64 of their bytes, the
//! lowest first.
//!
//! Owns the number of the format. Fields are named as those of the recording.

use grokrun_engine::{Command, Playback, RECORD, RecordedPlace, Tensor};
use grokrun_report::assets::base64;
use grokrun_shaders::Binding;
use serde::{Deserialize, Serialize};

/// The number of the format; a reader refuses any other.
pub const FORMAT: u32 = 1;

/// A recording as a player reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    format: u32,
    kernels: Vec<Kernel>,
    buffers: Vec<Memory>,
    contents: Vec<Contents>,
    dispatches: Vec<Dispatch>,
    prologue: Vec<Step>,
    epoch: Vec<Step>,
    window: Window,
    coefficients: Coefficients,
    record: Record,
    embedding: Embedding,
}

/// Says why a recording is not read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Another version wrote it.
    #[error("the recording has format {0}; expected {FORMAT}: write it again with this version")]
    Format(u32),
    /// It is none.
    #[error("the recording is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kernel {
    name: String,
    /// WGSL
    code: String,
    entry: String,
    /// WebGPU's types of buffer bindings
    bindings: Vec<String>,
    constants: std::collections::BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Memory {
    label: String,
    words: usize,
    bound: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Contents {
    buffer: usize,
    first: usize,
    words: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Dispatch {
    kernel: usize,
    uniforms: Vec<u32>,
    buffers: Vec<usize>,
    grid: [u32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    buffer: usize,
    first: usize,
    each: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    /// the first dispatch, and the one after the last
    Run([usize; 2]),
    Copy {
        from: Place,
        to: Place,
        words: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Window {
    epochs: usize,
    steps: usize,
    step_words: usize,
    zeroed: Vec<usize>,
    ring: usize,
    ring_words: usize,
}

/// The coefficients of all epochs; a row holds from an epoch on until the next row does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Coefficients {
    epochs: usize,
    from: String,
    rows: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    words: usize,
    train: usize,
    test: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Embedding {
    name: String,
    buffer: usize,
    first: usize,
    rows: usize,
    cols: usize,
    stride: usize,
}

/// Packs words.
pub(crate) fn words(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    base64(&bytes)
}

/// Packs numbers.
pub(crate) fn numbers(numbers: &[f32]) -> String {
    let bits: Vec<u32> = numbers.iter().map(|number| number.to_bits()).collect();
    words(&bits)
}

impl Wire {
    /// Puts a recording into this form.
    pub fn of(playback: &Playback, embedding: &Tensor) -> Wire {
        let recording = &playback.recording;
        let window = &recording.window;
        Wire {
            format: FORMAT,
            kernels: recording.kernels.iter().map(kernel).collect(),
            buffers: recording.buffers.iter().map(memory).collect(),
            contents: recording
                .contents
                .iter()
                .map(|one| Contents {
                    buffer: one.buffer,
                    first: one.first,
                    words: words(&one.words),
                })
                .collect(),
            dispatches: recording
                .dispatches
                .iter()
                .map(|one| Dispatch {
                    kernel: one.kernel,
                    uniforms: one.uniforms.clone(),
                    buffers: one.buffers.clone(),
                    grid: one.grid,
                })
                .collect(),
            prologue: recording.prologue.iter().map(step).collect(),
            epoch: recording.epoch.iter().map(step).collect(),
            window: Window {
                epochs: window.epochs,
                steps: window.steps,
                step_words: window.step_words,
                zeroed: window.zeroed.clone(),
                ring: window.ring,
                ring_words: window.ring_words,
            },
            coefficients: coefficients(&playback.coefficients, window.step_words),
            record: Record {
                words: RECORD,
                train: playback.train,
                test: playback.test,
            },
            embedding: Embedding {
                name: embedding.name.clone(),
                buffer: playback.arena,
                first: embedding.first,
                rows: embedding.rows,
                cols: embedding.cols,
                stride: embedding.stride,
            },
        }
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// When it is none, or of another format.
    pub fn read(text: &str) -> Result<Wire, WireError> {
        let wire: Wire = serde_json::from_str(text)?;
        match wire.format {
            FORMAT => Ok(wire),
            other => Err(WireError::Format(other)),
        }
    }
}

fn kernel(one: &grokrun_engine::Specialised) -> Kernel {
    let kind = |binding: &Binding| match binding {
        Binding::Uniform => "uniform",
        Binding::Read => "read-only-storage",
        Binding::Write => "storage",
    };
    let constants = one.constants.iter();
    Kernel {
        name: one.kernel.name.to_owned(),
        code: one.kernel.source.to_owned(),
        entry: one.kernel.entry.to_owned(),
        bindings: one
            .kernel
            .bindings
            .iter()
            .map(|b| kind(b).to_owned())
            .collect(),
        constants: constants
            .map(|(name, x)| ((*name).to_owned(), *x))
            .collect(),
    }
}

fn memory(one: &grokrun_engine::Memory) -> Memory {
    Memory {
        label: one.label.to_owned(),
        words: one.words,
        bound: one.bound,
    }
}

fn step(command: &Command) -> Step {
    let place = |place: &RecordedPlace| Place {
        buffer: place.buffer,
        first: place.first,
        each: place.each,
    };
    match command {
        Command::Run(range) => Step::Run([range.start, range.end]),
        Command::Copy { from, to, words } => Step::Copy {
            from: place(from),
            to: place(to),
            words: *words,
        },
    }
}

/// Leaves out the rows that are those before them, bit by bit: once the corrections of a bias have
/// vanished, all are.
fn coefficients(all: &[f32], width: usize) -> Coefficients {
    let bits: Vec<u32> = all.iter().map(|number| number.to_bits()).collect();
    let (mut from, mut rows): (Vec<u32>, Vec<u32>) = Default::default();
    let mut before: Option<&[u32]> = None;
    let every = bits.chunks_exact(width.max(1));
    let epochs = every.len();
    for (epoch, row) in (0u32..).zip(every) {
        if before != Some(row) {
            from.push(epoch);
            rows.extend_from_slice(row);
        }
        before = Some(row);
    }
    Coefficients {
        epochs,
        from: words(&from),
        rows: words(&rows),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use grokrun_engine::{
        Activation, CellInput, InitScheme, Pairs, Program, Recipe, Sample, Shape, Variant,
        initial_parameters, initial_state,
    };

    use super::*;

    /// A small cell of a + b mod 5, to be trained for ten epochs.
    pub(crate) fn playback() -> Playback {
        let shape = Shape {
            modulus: 5,
            d_model: 4,
            heads: 2,
            d_head: 3,
            d_mlp: 6,
            activation: Activation::Relu,
            trained_biases: false,
        };
        let sample = |i: u32| Sample {
            a: i / 5,
            b: i % 5,
            label: (i / 5 + i % 5) % 5,
        };
        let (train, test) = ((0..12).map(sample), (12..25).map(sample));
        let parameters = initial_parameters(&shape, InitScheme::TransformerLens, 3);
        let cell = CellInput {
            pairs: Pairs::new(5, train.collect(), test.collect()).unwrap(),
            recipe: Recipe::PUBLISHED,
            state: initial_state(parameters),
        };
        let program = Program::folded(shape);
        Playback::folded(&program, &cell, 10, Variant::Tiles).unwrap()
    }

    #[test]
    fn a_recording_travels_whole_and_another_format_is_refused() {
        let playback = playback();
        let wire = Wire::of(&playback, &playback.tensors[0]);
        let text = serde_json::to_string(&wire).unwrap();
        assert_eq!(Wire::read(&text).unwrap(), wire);
        let recording = &playback.recording;
        assert_eq!(wire.dispatches.len(), recording.dispatches.len());
        for (here, there) in recording.contents.iter().zip(&wire.contents) {
            assert_eq!(decoded(&there.words), here.words);
        }
        for (here, there) in recording.kernels.iter().zip(&wire.kernels) {
            assert_eq!(here.kernel.source, there.code);
        }
        let rows = decoded(&wire.coefficients.rows);
        let first = playback.coefficients[..rows.len()].iter();
        assert_eq!(first.map(|x| x.to_bits()).collect::<Vec<_>>(), rows);
        let other = text.replacen("{\"format\":1", "{\"format\":2", 1);
        let refused = Wire::read(&other).unwrap_err().to_string();
        assert!(refused.contains("format 2; expected 1"), "{refused}");
        let unknown = text.replacen("{\"format\":1", "{\"form\":1", 1);
        assert!(Wire::read(&unknown).is_err());
    }

    /// The words of base64, read by a decoder that shares nothing with the encoder.
    fn decoded(text: &str) -> Vec<u32> {
        let digit = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let mut bytes = Vec::new();
        for four in text.as_bytes().chunks(4) {
            let known = four.iter().filter(|c| **c != b'=');
            let n = known
                .clone()
                .fold(0u32, |n, c| n << 6 | u32::from(digit(*c)));
            let count = known.count();
            let n = n << (6 * (4 - count));
            bytes.extend_from_slice(&n.to_be_bytes()[1..count]);
        }
        let four = bytes.chunks_exact(4);
        four.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    #[test]
    fn words_come_back_as_they_were() {
        for count in 0..8u32 {
            let all: Vec<u32> = (0..count).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
            assert_eq!(decoded(&words(&all)), all);
        }
        let all = [0.1f32, -0.0, f32::MIN_POSITIVE];
        assert_eq!(decoded(&numbers(&all)), all.map(f32::to_bits));
    }

    #[test]
    fn a_row_of_coefficients_holds_until_the_next() {
        let all = [1.0, 2.0, 1.0, 2.0, 1.0, 3.0, 1.0, 3.0, 1.0, 2.0];
        let packed = coefficients(&all, 2);
        assert_eq!(decoded(&packed.from), [0, 2, 4]);
        let rows = [1.0f32, 2.0, 1.0, 3.0, 1.0, 2.0].map(f32::to_bits);
        assert_eq!(decoded(&packed.rows), rows);
        assert_eq!(packed.epochs, 5);
    }
}
