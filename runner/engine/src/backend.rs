//! Which processor trains, and why: `--backend`, `--adapter` and what the machine has.

use std::fmt;
use std::str::FromStr;

use crate::estimate::{Estimate, available_memory};
use crate::gpu::{Adapter, GpuExecutor, GpuPrograms, Kind, adapters, choose};
use grokrun_cpu::{CpuExecutor, ProgramExecutor, Sharing, default_threads, sharing};
use grokrun_executor::{CellInput, EngineError, Executor, Program, RecordedCell, Shape, Staged};

/// The most cells in one batch on a GPU: enough to fill any, few enough for prompt submissions.
const MOST_REPLICAS: usize = 64;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// a hardware GPU if there is one, else the CPU
    #[default]
    Auto,
    /// a GPU
    Gpu,
    /// the CPU
    Cpu,
}

impl FromStr for Backend {
    type Err = String;
    fn from_str(word: &str) -> Result<Backend, String> {
        match word {
            "auto" => Ok(Backend::Auto),
            "gpu" => Ok(Backend::Gpu),
            "cpu" => Ok(Backend::Cpu),
            _ => Err("expected auto, gpu or cpu".to_owned()),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Backend::Auto => "auto",
            Backend::Gpu => "gpu",
            Backend::Cpu => "cpu",
        })
    }
}

/// The processor that was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    processor: Processor,
    reason: String,
    /// whether it was asked for, so that no other may take its place
    asked: bool,
}

#[derive(Clone, Debug)]
enum Processor {
    Cpu,
    Gpu(Adapter),
}

impl Choice {
    /// Why this one.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the processor that trains programs whose tables take so many bytes of one buffer:
    /// this one, or the CPU where they do not fit a GPU that was picked without being asked for.
    ///
    /// # Errors
    /// When they do not fit a GPU that was asked for.
    pub fn for_programs(&self, largest_buffer: u64) -> Result<Choice, EngineError> {
        let adapter = match &self.processor {
            Processor::Gpu(adapter) if largest_buffer > adapter.largest_arena() => adapter,
            _ => return Ok(self.clone()),
        };
        let [need, most] = [largest_buffer, adapter.largest_arena()].map(|bytes| bytes / 1_000_000);
        if self.asked {
            return Err(EngineError::Memory(format!(
                "{} cannot hold this model: its tables take {need} MB, and a buffer of it has {most} MB at most; expected a smaller model, modulus or minibatch, or --backend cpu",
                adapter.describe()
            )));
        }
        Ok(Choice {
            processor: Processor::Cpu,
            reason: format!("the model's tables take {need} MB, and a buffer of the GPU {most} MB"),
            asked: false,
        })
    }

    /// Whether it is the CPU.
    pub fn is_cpu(&self) -> bool {
        matches!(self.processor, Processor::Cpu)
    }

    /// The adapter, if it is a GPU.
    pub(crate) fn adapter(&self) -> Option<&Adapter> {
        match &self.processor {
            Processor::Cpu => None,
            Processor::Gpu(adapter) => Some(adapter),
        }
    }

    /// What tells this processor from every other, its driver included: a time that was measured on
    /// one of this identity holds for it alone.
    pub fn identity(&self) -> String {
        match &self.processor {
            Processor::Cpu => self.to_string(),
            Processor::Gpu(adapter) => format!("{}, driver {}", adapter.describe(), adapter.driver),
        }
    }

    /// Threads of the host that training computes on: none on a GPU, all cores where a software
    /// adapter plays one.
    pub fn threads(&self) -> usize {
        match &self.processor {
            Processor::Gpu(adapter) if adapter.kind != Kind::Software => 0,
            Processor::Gpu(_) => std::thread::available_parallelism().map_or(1, |n| n.get()),
            Processor::Cpu => threads(),
        }
    }

    /// What a CPU's threads share of one of so many cells that train together, each with these
    /// numbers of training and test pairs; none on a GPU.
    pub fn sharing(&self, shape: &Shape, pairs: [usize; 2], cells: usize) -> Option<Sharing> {
        match &self.processor {
            Processor::Cpu => Some(sharing(shape, pairs, cells, threads())),
            Processor::Gpu(_) => None,
        }
    }

    /// How many cells like this should train together. On a CPU one a core, which needs no
    /// synchronisation; on a GPU as many as its buffers hold. Either way no more than fit half of
    /// the host's free memory. The results do not depend on it.
    pub fn largest_batch(&self, one: &Estimate) -> usize {
        let memory = available_memory().unwrap_or(u64::MAX) / 2;
        let fit = |room: u64, each: u64| usize::try_from(room / each.max(1)).unwrap_or(usize::MAX);
        let most = match &self.processor {
            Processor::Cpu => threads(),
            Processor::Gpu(adapter) => {
                fit(adapter.largest_arena(), one.largest_buffer).min(MOST_REPLICAS)
            }
        };
        most.min(fit(memory, one.host_bytes)).max(1)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.processor {
            Processor::Cpu => f.write_str(&cpu_name()),
            Processor::Gpu(adapter) => f.write_str(&adapter.describe()),
        }
    }
}

/// Threads that training on the CPU uses: rayon's choice, which `RAYON_NUM_THREADS` overrides.
fn threads() -> usize {
    default_threads()
}

/// The CPU in words.
fn cpu_name() -> String {
    let threads = threads();
    let plural = if threads == 1 { "" } else { "s" };
    format!("CPU, {threads} thread{plural}, {}", CpuExecutor::vectors())
}

/// A line of `grokrun devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLine {
    /// whether `--backend auto` takes it
    pub picked: bool,
    /// cpu, or the graphics interface a GPU is reached through
    pub backend: String,
    /// its name
    pub name: String,
    /// discrete, integrated, virtual, software, …
    pub kind: String,
    /// the driver, for a GPU
    pub driver: String,
    /// why it is picked or not
    pub why: String,
}

/// Everything that could train, the CPU last.
pub fn describe_devices() -> Vec<DeviceLine> {
    let mut picked = false;
    let mut lines: Vec<DeviceLine> = adapters()
        .into_iter()
        .map(|adapter| {
            let (pick, why) = match (adapter.lacks(), adapter.kind) {
                (Some(lack), _) => (false, format!("cannot train: {lack}")),
                (None, Kind::Software) => (
                    false,
                    "a software adapter, only if --adapter names it".to_owned(),
                ),
                (None, _) if picked => (false, "another GPU comes first".to_owned()),
                (None, _) => (true, "the first hardware GPU".to_owned()),
            };
            picked |= pick;
            DeviceLine {
                picked: pick,
                backend: adapter.backend,
                name: adapter.name,
                kind: adapter.kind.word().to_owned(),
                driver: adapter.driver,
                why,
            }
        })
        .collect();
    let why = if picked {
        "there is a hardware GPU"
    } else {
        NO_GPU
    };
    lines.push(DeviceLine {
        picked: !picked,
        backend: "cpu".to_owned(),
        name: cpu_name(),
        kind: "processor".to_owned(),
        driver: String::new(),
        why: why.to_owned(),
    });
    lines
}

const NO_GPU: &str = "there is no hardware GPU";

/// Picks a processor.
///
/// # Errors
/// When what was asked for is not there: which adapters are, and what to do.
pub fn choose_backend(backend: Backend, adapter: Option<&str>) -> Result<Choice, EngineError> {
    let asked = backend != Backend::Auto || adapter.is_some();
    let cpu = |reason: &str| Choice {
        processor: Processor::Cpu,
        reason: reason.to_owned(),
        asked,
    };
    let gpu = |adapter, reason: &str| Choice {
        processor: Processor::Gpu(adapter),
        reason: reason.to_owned(),
        asked,
    };
    if adapter.is_some_and(|text| text.trim().is_empty()) {
        let message = "--adapter is empty; expected part of an adapter's name, as `grokrun devices` lists them";
        return Err(EngineError::NoAdapter(message.to_owned()));
    }
    match (backend, adapter) {
        (Backend::Cpu, Some(text)) => Err(EngineError::NoAdapter(format!(
            "--backend cpu uses no adapter, but --adapter {text} names one; expected one of the two"
        ))),
        (Backend::Cpu, None) => Ok(cpu("--backend cpu")),
        (_, Some(text)) => Ok(gpu(choose(Some(text))?, "--adapter names it")),
        (Backend::Gpu, None) => Ok(gpu(choose(None)?, "the first hardware GPU")),
        (Backend::Auto, None) => Ok(match choose(None) {
            Ok(adapter) => gpu(adapter, "the first hardware GPU"),
            Err(_) => cpu(NO_GPU),
        }),
    }
}

/// Loads cells of one shape onto the chosen processor.
///
/// # Errors
/// When they do not fit, or the device fails.
pub fn open(
    choice: &Choice,
    program: Program,
    cells: Vec<CellInput>,
) -> Result<Box<dyn Staged>, EngineError> {
    match &choice.processor {
        Processor::Cpu => Ok(Box::new(CpuExecutor::new(program, cells, None)?)),
        Processor::Gpu(adapter) => Ok(Box::new(GpuExecutor::new(adapter, program, cells)?)),
    }
}

/// Loads cells that are trained by their programs, of one architecture, onto the processor.
///
/// # Errors
/// When a program cannot be run, when the cells do not go together or do not fit, or when the
/// device fails.
pub fn open_programs(
    choice: &Choice,
    cells: Vec<RecordedCell>,
) -> Result<Box<dyn Executor>, EngineError> {
    match &choice.processor {
        Processor::Cpu => Ok(Box::new(ProgramExecutor::new(cells, None)?)),
        Processor::Gpu(adapter) => Ok(Box::new(GpuPrograms::new(adapter, cells)?)),
    }
}
