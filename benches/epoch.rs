//! How long an epoch, its stages and its kernels take: `cargo bench`, and the tables of
//! BENCHMARKS.md.
//!
//! Three sizes on each executor, each from untrained weights with the split of its spec. The CPU
//! runs on `RAYON_NUM_THREADS` threads, or all. The GPU is the one that `--backend auto` would
//! take, or the one that `GROKRUN_BENCH_ADAPTER` names (`llvmpipe` for lavapipe); without either it
//! is left out, and the bench says so.

use std::fmt;

use divan::Bencher;
use divan::counter::ItemsCount;
use grokrun_engine::bench::{CpuKernel, CpuKernels, GpuKernels};
use grokrun_engine::{
    Activation, Backend, CellInput, Choice, InitScheme, Operations, Pairs, Program, Recipe, Sample,
    Shape, Stage, Staged, choose_backend, initial_parameters, initial_state, open,
};

fn main() {
    if gpu().is_none() {
        eprintln!("no hardware GPU, and GROKRUN_BENCH_ADAPTER names no adapter: only the CPU runs");
    }
    divan::main();
}

/// Learning a × b mod p.
#[derive(Clone, Copy)]
struct Size {
    name: &'static str,
    shape: Shape,
    /// share of pairs that is trained on
    fraction: f64,
}

const PUBLISHED: Shape = Shape {
    modulus: 113,
    d_model: 128,
    heads: 4,
    d_head: 32,
    d_mlp: 512,
    activation: Activation::Relu,
    trained_biases: false,
};
const SIZES: [Size; 3] = [
    Size {
        name: "tiny",
        shape: Shape {
            modulus: 23,
            d_model: 32,
            d_head: 8,
            d_mlp: 64,
            ..PUBLISHED
        },
        fraction: 0.5,
    },
    Size {
        name: "mult59",
        shape: Shape {
            modulus: 59,
            ..PUBLISHED
        },
        fraction: 0.5,
    },
    Size {
        name: "mult113",
        shape: PUBLISHED,
        fraction: 0.3,
    },
];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Size {
    /// The pairs are spread evenly: which ones are trained on changes no time.
    fn cell(&self) -> CellInput {
        let p = self.shape.modulus as u32;
        let all = p * p;
        let count = (f64::from(all) * self.fraction) as u32;
        let sample = |i: u32| Sample {
            a: i / p,
            b: i % p,
            label: (i / p) * (i % p) % p,
        };
        // Pair i is trained on where i · count / all takes a step.
        let (train, test): (Vec<u32>, Vec<u32>) = (0..all).partition(|i| {
            let steps = |i: u32| u64::from(i) * u64::from(count) / u64::from(all);
            steps(i + 1) > steps(*i)
        });
        let samples = |part: Vec<u32>| part.into_iter().map(sample).collect();
        CellInput {
            pairs: Pairs::new(self.shape.modulus, samples(train), samples(test))
                .expect("the pairs are below the modulus"),
            recipe: Recipe::PUBLISHED,
            state: initial_state(initial_parameters(
                &self.shape,
                InitScheme::TransformerLens,
                999,
            )),
        }
    }

    fn open(&self, choice: &Choice, replicas: usize) -> Box<dyn Staged> {
        let cells = vec![self.cell(); replicas];
        open(choice, Program::folded(self.shape), cells).expect("the executor opens")
    }
}

fn cpu() -> Option<Choice> {
    choose_backend(Backend::Cpu, None).ok()
}

fn gpu() -> Option<Choice> {
    let named = std::env::var("GROKRUN_BENCH_ADAPTER").ok();
    choose_backend(Backend::Gpu, named.as_deref()).ok()
}

/// `each` epochs a call, of so many cells.
fn epochs(
    bencher: Bencher<'_, '_>,
    choice: Option<Choice>,
    size: &Size,
    (each, replicas): (u64, usize),
) {
    let Some(choice) = choice else { return };
    let mut executor = size.open(&choice, replicas);
    executor.run(1).expect("the executor runs");
    bencher
        .counter(ItemsCount::new(each * replicas as u64))
        .bench_local(|| executor.run(each).expect("the executor runs"));
}

/// A stage of an epoch of a size.
#[derive(Clone, Copy)]
struct Part(Size, Stage);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.0.name, self.1)
    }
}

fn parts() -> impl Iterator<Item = Part> {
    SIZES
        .into_iter()
        .flat_map(|size| Stage::ALL.map(|stage| Part(size, stage)))
}

/// An item is a multiply-add that the stage counts (`grokrun_engine::Operations`), so that its rate
/// can be held against the floor of benches/peak.rs; AdamW counts parameters.
fn stages(bencher: Bencher<'_, '_>, choice: Option<Choice>, Part(size, stage): Part) {
    let Some(choice) = choice else { return };
    let cell = size.cell();
    let (train, test) = (cell.pairs.train().len(), cell.pairs.test().len());
    let [all, learn, evaluate] = [(train, test), (train, 0), (0, test)]
        .map(|(train, test)| Operations::new(&size.shape, train, test));
    let items = match stage {
        // The gradients of the tables take twice what the tables do.
        Stage::Fold => all.fold / 3.0,
        Stage::Unfold => all.fold * 2.0 / 3.0,
        Stage::Learn => learn.forward + learn.backward + learn.gather,
        Stage::Evaluate => evaluate.forward + evaluate.gather,
        Stage::Step => all.parameters,
    };
    let mut executor = size.open(&choice, 1);
    executor.run(1).expect("the executor runs");
    bencher
        .counter(ItemsCount::new(items as u64))
        .bench_local(|| executor.run_stage(stage).expect("the stage runs"));
}

/// One epoch a call: train step and test evaluation. An item is an epoch of a cell.
#[divan::bench_group(sample_size = 1)]
mod epoch {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn cpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::cpu(), size, (1, 1));
    }

    #[divan::bench(args = SIZES, sample_count = 10)]
    fn gpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::gpu(), size, (1, 1));
    }
}

/// Sixteen epochs a call, as a run's calls have many: on a GPU that is one submission, on the CPU
/// tests then run beside training.
#[divan::bench_group(sample_size = 1)]
mod sixteen_epochs {
    use super::*;

    #[divan::bench(args = SIZES, sample_count = 20)]
    fn cpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::cpu(), size, (16, 1));
    }

    #[divan::bench(args = SIZES, sample_count = 5)]
    fn gpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::gpu(), size, (16, 1));
    }
}

/// One epoch of two cells that train together.
#[divan::bench_group(sample_size = 1)]
mod epoch_of_two_cells {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn cpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::cpu(), size, (1, 2));
    }

    #[divan::bench(args = SIZES, sample_count = 10)]
    fn gpu(bencher: Bencher<'_, '_>, size: &Size) {
        epochs(bencher, super::gpu(), size, (1, 2));
    }
}

/// The stages of an epoch, which are the units that both executors share: each is one tiled
/// function on the CPU, and some kernels on a GPU.
#[divan::bench_group(sample_size = 1)]
mod stage {
    use super::*;

    #[divan::bench(args = parts())]
    fn cpu(bencher: Bencher<'_, '_>, part: Part) {
        stages(bencher, super::cpu(), part);
    }

    #[divan::bench(args = parts(), sample_count = 10)]
    fn gpu(bencher: Bencher<'_, '_>, part: Part) {
        stages(bencher, super::gpu(), part);
    }
}

/// A kernel of the CPU at a size.
#[derive(Clone, Copy)]
struct OnCpu(Size, CpuKernel);

impl fmt::Display for OnCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.name, self.1)
    }
}

/// A dispatch of an epoch on the GPU at a size.
#[derive(Clone)]
struct OnGpu(Size, usize, String);

impl fmt::Display for OnGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.name, self.2)
    }
}

/// None without a GPU that opens.
fn on_gpu(size: &Size) -> Option<GpuKernels> {
    match GpuKernels::new(&gpu()?, size.shape, size.cell()) {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("the kernels of the GPU are left out: {error}");
            None
        }
    }
}

/// Those of the smallest size, which the others have as well, and a submission of nothing.
fn dispatches() -> Vec<OnGpu> {
    let mut names = on_gpu(&SIZES[0]).map_or(Vec::new(), |kernels| kernels.names());
    if !names.is_empty() {
        names.push("nothing".to_owned());
    }
    let of = |size: Size| {
        (0..)
            .zip(&names)
            .map(move |(i, name)| OnGpu(size, i, name.clone()))
    };
    SIZES.into_iter().flat_map(of).collect()
}

/// Single kernels: on the CPU one tile of pairs on one thread, an item being what
/// [`CpuKernels::operations`] counts, mostly a multiply-add; on a GPU a dispatch over the whole
/// epoch, sixteen of them a submission, an item being one.
#[divan::bench_group]
mod kernel {
    use super::*;

    fn on_cpu() -> impl Iterator<Item = OnCpu> {
        let of = |size| CpuKernel::ALL.map(|kernel| OnCpu(size, kernel));
        SIZES.into_iter().flat_map(of)
    }

    #[divan::bench(args = on_cpu())]
    fn cpu(bencher: Bencher<'_, '_>, OnCpu(size, kernel): OnCpu) {
        let mut kernels = CpuKernels::new(size.shape, size.cell());
        bencher
            .counter(ItemsCount::new(kernels.operations(kernel)))
            .bench_local(|| kernels.run(kernel));
    }

    #[divan::bench(args = dispatches(), sample_size = 1, sample_count = 10)]
    fn gpu(bencher: Bencher<'_, '_>, OnGpu(size, number, _): &OnGpu) {
        const TIMES: usize = 16;
        let Some(mut kernels) = on_gpu(size) else {
            return;
        };
        bencher
            .counter(ItemsCount::new(TIMES))
            .bench_local(|| kernels.run(*number, TIMES).expect("the dispatch runs"));
    }
}
