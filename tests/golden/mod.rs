//! Compares the executors with torch's own numbers (see README.md in this folder).

mod curves;
mod tensors;

use std::path::Path;

use grokrun_engine::{
    Activation, CellInput, InitScheme, Pairs, Parameter, Recipe, Sample, Shape, initial_parameters,
    initial_state,
};
use grokrun_task::{Dataset, Operation, Stream};
use safetensors::SafeTensors;
use serde_json::Value;

/// One of the two experiments.
pub(crate) struct Golden {
    facts: Value,
    file: Vec<u8>,
    /// the stride at which a tensor's numbers are stored
    stride: usize,
    pub(crate) shape: Shape,
    operation: &'static str,
    data_seed: i64,
    model_seed: i64,
    fraction: f64,
}

pub(crate) fn small() -> Golden {
    let shape = Shape {
        modulus: 23,
        d_model: 32,
        d_head: 8,
        d_mlp: 64,
        ..published_shape()
    };
    Golden::read("small", shape, "mul", [1, 2], 0.5)
}

pub(crate) fn published() -> Golden {
    Golden::read("published", published_shape(), "add", [598, 999], 0.3)
}

fn published_shape() -> Shape {
    Shape {
        modulus: 113,
        d_model: 128,
        heads: 4,
        d_head: 32,
        d_mlp: 512,
        activation: Activation::Relu,
        trained_biases: false,
    }
}

impl Golden {
    fn read(
        name: &str,
        shape: Shape,
        operation: &'static str,
        seeds: [i64; 2],
        fraction: f64,
    ) -> Golden {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let json = std::fs::read(folder.join(format!("{name}.json"))).expect("the fixture");
        let facts: Value = serde_json::from_slice(&json).expect("JSON");
        let file = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("the fixture");
        let stride = facts["stride"].as_u64().expect("a number") as usize;
        let [data_seed, model_seed] = seeds;
        Golden {
            facts,
            file,
            stride,
            shape,
            operation,
            data_seed,
            model_seed,
            fraction,
        }
    }

    /// Returns the whole experiment from its seeds, through our own operations and generators.
    pub(crate) fn cell(&self) -> CellInput {
        let p = self.shape.modulus as u32;
        let operation = Operation::parse(self.operation).expect("an operation");
        let data = Dataset::new(&operation, p).expect("a data set");
        let split = data
            .split(self.fraction, self.data_seed, Stream::Torch)
            .expect("a split");
        let samples = |part: &[u32]| -> Vec<Sample> {
            let label = |pair: u32| data.label(pair).expect("a pair of the data set");
            part.iter()
                .map(|&i| Sample {
                    a: i / p,
                    b: i % p,
                    label: label(i),
                })
                .collect()
        };
        let parameters =
            initial_parameters(&self.shape, InitScheme::TransformerLens, self.model_seed);
        CellInput {
            pairs: Pairs::new(p as usize, samples(&split.train), samples(&split.test))
                .expect("pairs"),
            recipe: Recipe::PUBLISHED,
            state: initial_state(parameters),
        }
    }

    /// Returns a series of the JSON file.
    fn series(&self, key: &str) -> Vec<f64> {
        let numbers = self.facts[key].as_array().expect("a list");
        numbers
            .iter()
            .map(|x| x.as_f64().expect("a number"))
            .collect()
    }

    /// Returns the stored numbers of a tensor.
    fn tensor(&self, key: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.file).expect("safetensors");
        let data = file.tensor(key).expect("the tensor").data().to_vec();
        data.as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    /// Returns the largest magnitude of a whole tensor, of which only some numbers are stored.
    fn largest(&self, key: &str) -> f64 {
        self.facts["tensors"][key]["largest"]
            .as_f64()
            .expect("a number")
    }

    /// Compares every stored number of every trained parameter with ours. Returns the largest
    /// difference of each parameter, as a share of the tensor's largest magnitude.
    fn differences(&self, folder: &str, ours: &[f32]) -> Vec<(Parameter, f64)> {
        let trained = Parameter::ALL
            .into_iter()
            .filter(|q| q.range(&self.shape).end <= self.shape.trained());
        trained
            .map(|parameter| {
                let key = format!("{folder}/{}", parameter.name());
                let ours = ours[parameter.range(&self.shape)]
                    .iter()
                    .step_by(self.stride);
                let theirs = self.tensor(&key);
                let apart = theirs
                    .iter()
                    .zip(ours)
                    .map(|(t, o)| f64::from((t - o).abs()));
                (parameter, apart.fold(0.0, f64::max) / self.largest(&key))
            })
            .collect()
    }
}
