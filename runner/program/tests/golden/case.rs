//! One training: its file, its samples from the seeds, and this crate's numbers in torch's layout.

use std::num::NonZeroU64;

use grokrun_program::{Data, Interpreter, Program, Real, Recipe, initial_parameters, plain, train};
use grokrun_task::{python, torch};
use serde_json::Value;

use crate::models::{Layout, definition, loss, ours, recipe};
use crate::{Tensors, path, sha256};

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) facts: Value,
    pub(crate) tensors: Tensors,
    pub(crate) recipe: Recipe,
    pub(crate) initial: Vec<f32>,
    pub(crate) train: Vec<u32>,
    pub(crate) test: Vec<u32>,
    labels: Vec<u32>,
    train_labels: Vec<u32>,
}

impl Case {
    pub(crate) fn read(name: &str) -> Case {
        let text = std::fs::read_to_string(path(&format!("{name}.json"))).expect("the fixture");
        let facts: Value = serde_json::from_str(&text).expect("JSON");
        let tensors = Tensors::read(name);
        let setting = &facts["setting"];
        let definition = definition(name, setting);
        let n = definition.architecture.tokens as u32;
        let (train, test) = split(setting, n);
        let bytes: Vec<u8> = train
            .iter()
            .flat_map(|i| i64::from(*i).to_le_bytes())
            .collect();
        assert_eq!(
            sha256(&bytes),
            facts["sha256_train_indices_i64le"],
            "{name}: the split"
        );
        let labels: Vec<u32> = match setting["op"].as_str() {
            Some("add") => (0..n * n).map(|i| (i / n + i % n) % n).collect(),
            _ => tensors.i64("labels"),
        };
        let mut train_labels: Vec<u32> = train.iter().map(|i| labels[*i as usize]).collect();
        if let Some(noise) = setting["noise"].as_f64() {
            let mut generator = torch::Generator::new(0);
            let count = (noise * train.len() as f64) as usize;
            let classes = NonZeroU64::new(u64::from(n)).expect("classes");
            train_labels[..count].fill_with(|| generator.random_below(classes) as u32);
            assert_eq!(
                train_labels,
                tensors.i64("train_labels"),
                "{name}: the noise"
            );
        }
        let program = plain(&definition.architecture, &loss(setting, false)).expect("a program");
        let seed = setting["model_seed"].as_i64().expect("a seed");
        let initial = initial_parameters(
            &definition.architecture,
            &program.parameters,
            definition.init,
            1.0,
            seed,
        );
        Case {
            recipe: recipe(&facts),
            initial: initial.expect("initial weights"),
            name: name.into(),
            facts,
            tensors,
            train,
            test,
            labels,
            train_labels,
        }
    }

    /// Returns the program of the training; of the run in float64 if `double`.
    pub(crate) fn program(&self, double: bool) -> Program {
        let setting = &self.facts["setting"];
        let architecture = definition(&self.name, setting).architecture;
        let forward = plain(&architecture, &loss(setting, double)).expect("a program");
        train(forward, &self.recipe).expect("a program to train")
    }

    pub(crate) fn data(&self, program: &Program) -> [Data; 2] {
        let n = program.tokens as u32;
        let pairs = |part: &[u32]| part.iter().flat_map(|i| [i / n, i % n]).collect();
        let test_labels = self.test.iter().map(|i| self.labels[*i as usize]).collect();
        let train = Data::new(program, pairs(&self.train), self.train_labels.clone());
        let test = Data::new(program, pairs(&self.test), test_labels);
        [train.expect("samples"), test.expect("samples")]
    }

    /// Returns all pairs, in order, as a test part.
    pub(crate) fn grid(&self, program: &Program) -> Data {
        let n = program.tokens as u32;
        let pairs = (0..n * n).flat_map(|i| [i / n, i % n]).collect();
        Data::new(program, pairs, self.labels.clone()).expect("samples")
    }

    pub(crate) fn model<'p, T: Real>(&self, program: &'p Program) -> Interpreter<'p, T> {
        let [train, test] = self.data(program);
        let mut model = Interpreter::new(program, train, test).expect("a program that is whole");
        model
            .load(
                &program
                    .initial_state(self.initial.clone())
                    .expect("weights"),
            )
            .expect("a state of the program");
        model
    }

    /// Returns the keys of the tensors in a folder, without `b_K`: its true gradient is 0, so Adam
    /// would make steps of rounding errors.
    pub(crate) fn keys(&self, folder: &str) -> Vec<String> {
        let all = self.facts["tensors"].as_object().expect("tensors").keys();
        let keys = all.filter(|key| key.starts_with(folder) && !key.ends_with("attn.b_K"));
        keys.cloned().collect()
    }

    pub(crate) fn stride(&self, key: &str) -> usize {
        self.facts["tensors"][key]["stride"]
            .as_u64()
            .expect("a number") as usize
    }

    /// Returns the largest distance over the stored entries of a tensor, as a share of its largest
    /// magnitude.
    pub(crate) fn apart(&self, key: &str, ours: &[f64]) -> f64 {
        let theirs = self.tensors.f32(key);
        let largest = self.facts["tensors"][key]["largest"]
            .as_f64()
            .expect("a number");
        let kept = ours.iter().step_by(self.stride(key));
        assert_eq!(kept.len(), theirs.len(), "{key}");
        let distances = theirs
            .iter()
            .zip(kept)
            .map(|(t, o)| (f64::from(*t) - o).abs());
        // A gradient may be zero as a whole; then the other one has to be exactly zero too.
        distances.fold(0.0, crate::nan_max) / largest.max(f64::MIN_POSITIVE)
    }

    /// Returns one of this crate's parameters, or its gradient, in the layout of torch's tensor of
    /// this key.
    pub(crate) fn in_torchs_layout<X: Copy>(
        &self,
        program: &Program,
        key: &str,
        of: impl Fn(usize) -> Vec<X>,
    ) -> Vec<X> {
        let name = key.split_once('/').expect("a folder").1;
        let (name, layout) = ours(&self.name, name);
        let place = program.parameters.position(&name);
        let place = place.unwrap_or_else(|| panic!("a parameter {name}"));
        let parameter = program.parameters.get(place).expect("a parameter");
        let [rows, cols] = parameter.table();
        let numbers = of(place);
        let heads = match layout {
            Layout::Same => return numbers,
            Layout::Transposed => 1,
            Layout::HeadsTransposed => parameter.shape[0],
        };
        let block = rows / heads;
        let place = |i: usize| {
            let (head, inner) = (i / (block * cols), i % (block * cols));
            (head * block + inner % block) * cols + inner / block
        };
        (0..rows * cols).map(|i| numbers[place(i)]).collect()
    }

    pub(crate) fn series(&self, key: &str) -> Vec<f64> {
        numbers(&self.facts[key])
    }

    pub(crate) fn double(&self, key: &str) -> Vec<f64> {
        numbers(&self.facts["float64"][key])
    }

    /// Returns ten times how closely torch agrees with itself, up to epochs 1, 10, 50 and 100.
    pub(crate) fn allowed(&self, what: &str) -> Vec<f64> {
        let measured = numbers(&self.facts["agreement"][what]);
        measured.into_iter().map(|x| 10.0 * x).collect()
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list");
    list.iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn split(setting: &Value, n: u32) -> (Vec<u32>, Vec<u32>) {
    let seed = setting["data_seed"].as_i64().expect("a seed");
    let mut order = match setting["split_stream"].as_str() {
        Some("torch") => torch::Generator::new(seed).randperm(n * n),
        Some("python") => python::Random::new(seed).shuffled(n * n),
        other => panic!("a stream: {other:?}"),
    };
    let fraction = setting["frac"].as_f64().expect("a number");
    let test = order.split_off((f64::from(n * n) * fraction) as usize);
    (order, test)
}
