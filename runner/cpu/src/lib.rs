//! Executes programs on the CPU. The folded program runs as tiled functions over padded tables,
//! vectorised through pulp for AVX-512, AVX2 or NEON, on rayon's threads. During a call one more
//! thread than the training thread stays awake (`overlap`); the others sleep when there is nothing
//! to do.
//!
//! Work is split by the number of pairs alone and every sum has a fixed order, so results are the
//! same for any number of threads. Owns no files, and no schedule beyond one window of epochs.

/// Evaluates an expression with the vector instructions that `simd` stands for.
///
/// pulp's `vectorize` compiles a closure with these instructions only if the closure is inlined.
/// The closure of a plain block implements `Fn`, which is called through a shim that is not
/// inlined. Moving `once` makes the closure `FnOnce` alone, so that its own `inline(always)`
/// counts.
macro_rules! vectorized {
    ($simd:expr, $body:expr) => {{
        struct Once;
        let once = Once;
        $simd.vectorize(
            #[inline(always)]
            || {
                let _once = once;
                $body
            },
        )
    }};
}

#[doc(hidden)]
pub mod bench;
mod buffer;
mod dims;
mod evaluate;
mod fold;
mod grid;
mod learn;
mod loss;
mod math;
mod overlap;
mod parallel;
mod pass;
mod product;
mod replica;
mod rows;
mod sharing;
mod step;
mod tables;
mod tiled;
mod unfold;
mod vector;
mod workspace;

use std::ops::AddAssign;
use std::sync::{Arc, LockResult, PoisonError};
use std::time::Instant;

use grokrun_executor::{
    CellInput, EngineError, EpochRow, Evaluation, Executor, Program, Shape, Stage, Staged, Table,
};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::parallel::Bodies as _;
use rayon::{ThreadPool, ThreadPoolBuilder};

use dims::Dims;
pub use grid::{Activations, GridPass, Wanted};
use grokrun_program::ModelState;
use replica::Replica;
pub use sharing::Sharing;
pub use tiled::{PartScore, ProgramExecutor, TiledExecutor};
use workspace::Workspaces;

/// The number of samples in a tile: a multiple of the micro-kernel's rows, and few enough for the
/// L2 cache.
const TILE: usize = 48;
/// The largest number of tiles of training samples that go through one kernel before the next
/// kernel starts, and the bytes that their neurons may take: half of a usual L2 cache.
const GROUP: usize = 5;
const GROUP_BYTES: usize = 512 << 10;
/// The number of rows of a matrix that one task of the fold and unfold stages computes.
const BLOCK: usize = 24;
/// The largest number of chunks that share the pairs.
const CHUNKS: usize = 16;
/// The duration of one call of `run`, in seconds, for prompt progress and Ctrl-C.
const CALL_SECONDS: f64 = 0.25;

/// Returns the number of threads: `RAYON_NUM_THREADS` if that is a sensible number, else one for
/// each core. Sensible are at most four for each core, since more threads only cost memory.
pub fn default_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let asked = std::env::var("RAYON_NUM_THREADS");
    match asked
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok())
    {
        Some(count @ 1..) => count.min((4 * cores).max(16)),
        _ => cores,
    }
}

/// Returns how the threads divide one cell's epoch when `cells` of this shape train together.
pub fn sharing(shape: &Shape, [train, test]: [usize; 2], cells: usize, threads: usize) -> Sharing {
    Sharing::of(Dims::new(shape).work(train, test), cells, threads)
}

/// Locks, ignoring poisoning: the panic that poisoned the lock already ends the run.
fn guarded<T>(lock: LockResult<T>) -> T {
    lock.unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of samples of a chunk for `n` samples: whole tiles, and the same on every
/// machine.
fn chunk_len(n: usize) -> usize {
    n.div_ceil(TILE).div_ceil(CHUNKS) * TILE
}

/// Sums the losses and counts the correct answers of some samples.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    loss: f64,
    correct: usize,
}

impl AddAssign for Score {
    fn add_assign(&mut self, more: Score) {
        self.loss += more.loss;
        self.correct += more.correct;
    }
}

impl Score {
    /// Adds the parts in their order. Returns the mean loss and the share of correct answers over
    /// `n` samples.
    fn mean(parts: impl Iterator<Item = Score>, n: usize) -> Score {
        let mut total = Score::default();
        for part in parts {
            total += part;
        }
        Score {
            loss: total.loss / n as f64,
            ..total
        }
    }
}

/// Trains cells on the processor's cores.
pub struct CpuExecutor {
    program: Program,
    replicas: Vec<Replica>,
    pool: ThreadPool,
    arch: Arch,
    /// how the threads divide a replica's work
    share: Sharing,
    seconds_per_epoch: Option<f64>,
}

impl CpuExecutor {
    /// Loads the cells and runs the program's prologue. `threads` is the number of threads; `None`
    /// stands for `RAYON_NUM_THREADS` or one for each core.
    ///
    /// # Errors
    /// When a cell does not fit the program's shape or the threads cannot be started.
    pub fn new(
        program: Program,
        cells: Vec<CellInput>,
        threads: Option<usize>,
    ) -> Result<CpuExecutor, EngineError> {
        if program != Program::folded(program.shape) {
            let what = "the CPU executor runs the folded program only";
            return Err(EngineError::Data(what.to_owned()));
        }
        let threads = threads.unwrap_or_else(default_threads);
        let dims = Dims::new(&program.shape);
        let work = |cell: &CellInput| dims.work(cell.pairs.train().len(), cell.pairs.test().len());
        let work = cells.iter().map(work).max().unwrap_or(0);
        let share = Sharing::of(work, cells.len(), threads);
        let each = share.threads(threads);
        let busy = threads.min(cells.len() * each).max(1);
        let workspaces = Arc::new(Workspaces::new(&dims, busy));
        let replicas = cells
            .into_iter()
            .map(|cell| Replica::new(&program.shape, cell, workspaces.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(busy)
            .thread_name(|i| format!("grokrun-cpu-{i}"))
            .build()
            .map_err(|e| {
                EngineError::Device(format!("the worker threads cannot be started: {e}"))
            })?;
        let mut executor = CpuExecutor {
            replicas,
            pool,
            arch: Arch::new(),
            share,
            seconds_per_epoch: None,
            program,
        };
        for stage in executor.program.prologue.clone() {
            executor.run_stage(stage)?;
        }
        Ok(executor)
    }

    /// Returns how the threads divide the work of a cell.
    pub fn sharing(&self) -> Sharing {
        self.share
    }

    /// Returns the name of the vector instructions that this processor has.
    pub fn vectors() -> &'static str {
        struct Width;
        impl WithSimd for Width {
            type Output = usize;
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        match Arch::new().dispatch(Width) {
            16 => "AVX-512",
            8 => "AVX2",
            4 => "NEON",
            _ => "no vectors",
        }
    }

    /// Applies `job` to every replica, on the pool's threads, with the processor's vector
    /// instructions.
    fn each<J: Job>(&mut self, job: J) -> Vec<J::Output> {
        let CpuExecutor {
            replicas,
            pool,
            arch,
            share,
            ..
        } = self;
        let jobs = Jobs {
            job: &job,
            replicas,
            share: *share,
        };
        pool.install(|| arch.dispatch(jobs))
    }
}

/// Returns the number of epochs to run in one call, from the seconds that the last epoch took; 1
/// before that is known.
fn epochs_in_a_call(seconds: Option<f64>) -> u64 {
    match seconds {
        None => 1,
        Some(seconds) => (CALL_SECONDS / seconds).clamp(1.0, 4096.0) as u64,
    }
}

/// Returns a description of a pool's device.
pub(crate) fn device(pool: &ThreadPool) -> String {
    let threads = pool.current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    format!("CPU, {threads} thread{plural}")
}

/// A computation on a replica, for any width of vectors.
trait Job: Sync {
    type Output: Send;
    fn run<S: Simd>(&self, simd: S, replica: &mut Replica, share: Sharing) -> Self::Output;
}

struct Jobs<'a, J> {
    job: &'a J,
    replicas: &'a mut [Replica],
    share: Sharing,
}

impl<J: Job> WithSimd for Jobs<'_, J> {
    type Output = Vec<J::Output>;
    fn with_simd<S: Simd>(self, simd: S) -> Vec<J::Output> {
        let run = |replica: &mut Replica| self.job.run(simd, replica, self.share);
        match self.share {
            Sharing::Nothing => self.replicas.par_iter_mut().results(&run),
            // All threads work on one replica after another.
            Sharing::Pairs | Sharing::Everything => self.replicas.iter_mut().map(run).collect(),
        }
    }
}

/// Runs this number of epochs of the folded program, with these evaluations.
struct Epochs(u64, Evaluation);

impl Job for Epochs {
    type Output = Vec<EpochRow>;
    fn run<S: Simd>(&self, simd: S, replica: &mut Replica, share: Sharing) -> Vec<EpochRow> {
        replica.epochs(simd, self.0, self.1, share)
    }
}

/// Runs one stage by itself.
struct Single(Stage);

impl Job for Single {
    type Output = ();
    fn run<S: Simd>(&self, simd: S, replica: &mut Replica, share: Sharing) {
        replica.run(simd, self.0, share);
    }
}

impl Executor for CpuExecutor {
    fn run_evaluating(
        &mut self,
        epochs: u64,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let started = Instant::now();
        let histories = self.each(Epochs(epochs, evaluation));
        if epochs > 0 {
            self.seconds_per_epoch = Some(started.elapsed().as_secs_f64() / epochs as f64);
        }
        Ok((0..epochs as usize)
            .map(|e| histories.iter().map(|history| history[e]).collect())
            .collect())
    }

    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError> {
        Ok(self.replicas[replica].state())
    }

    fn epochs_per_call(&self) -> u64 {
        epochs_in_a_call(self.seconds_per_epoch)
    }

    fn device(&self) -> String {
        device(&self.pool)
    }
}

impl Staged for CpuExecutor {
    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        self.each(Single(stage));
        Ok(())
    }

    fn table(&mut self, replica: usize, table: Table) -> Result<Vec<f32>, EngineError> {
        Ok(self.replicas[replica].table(table))
    }
}
