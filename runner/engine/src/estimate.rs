//! What a cell takes before anything of it is made: memory, files and operations, in closed form.

use grokrun_executor::{Operations, Shape};
use grokrun_program::{Program, Samples};

use crate::gpu::{Counts, program_bytes, replica_bytes};

/// The needs of some replicas of one shape that train together. All sizes are upper bounds within
/// a few per cent, and saturate rather than overflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// trained numbers of one replica
    pub parameters: u64,
    /// memory on the host for all replicas, in bytes, when they train on the CPU, with room for
    /// four threads a replica; each more takes less than 1 MB
    pub host_bytes: u64,
    /// memory on the device for all replicas, in bytes, when they train on a GPU
    pub device_bytes: u64,
    /// what one replica takes of a GPU's largest buffer, the arena, in bytes
    pub largest_buffer: u64,
    /// `state.safetensors` of one replica without its history, in bytes
    pub state_bytes: u64,
    /// one checkpoint of one replica, in bytes
    pub checkpoint_bytes: u64,
    /// floating-point operations of an epoch, train step and test evaluation, for all replicas;
    /// a multiply-add counts as two
    pub flops_per_epoch: f64,
}

/// Bytes of an f32.
const F32: u64 = 4;
/// Chunks that the CPU executor cuts pairs into, each with a part of dM.
const CHUNKS: u64 = 16;
/// Pairs in a tile.
const TILE: u64 = 48;
/// File headers: names and shapes of the tensors.
const HEADER: u64 = 4096;

impl Estimate {
    /// The needs of `replicas` cells with this many pairs each.
    pub fn new(shape: &Shape, train: usize, test: usize, replicas: usize) -> Estimate {
        let s = Sizes::new(shape);
        let arena = replica_bytes(shape, train, test);
        let multiply_adds = Operations::new(shape, train, test).multiply_adds();
        let (train, test, replicas) = (train as u64, test as u64, replicas as u64);
        // The pairs themselves and the lists of the training pairs.
        let pairs = (5 * train)
            .saturating_add(3 * test)
            .saturating_add(2 * s.p + 1);
        let times = |bytes: u64| bytes.saturating_mul(replicas);
        let numbers = s.stored.saturating_mul(F32);
        let zero_biases = 3 * s.heads * s.e + s.d + s.p;
        Estimate {
            parameters: s.trained,
            host_bytes: times(s.host(train, test)),
            device_bytes: times(arena.saturating_add(pairs.saturating_mul(F32))),
            largest_buffer: arena,
            state_bytes: numbers.saturating_mul(3).saturating_add(HEADER),
            checkpoint_bytes: numbers.saturating_add(zero_biases * F32 + HEADER),
            flops_per_epoch: 2.0 * multiply_adds * replicas as f64,
        }
    }
}

impl Estimate {
    /// The needs of one cell that is trained by its program, with so many training samples in a
    /// step.
    pub fn of_program(program: &Program, [train, test]: [usize; 2], step: usize) -> Estimate {
        let samples = Samples { train, test };
        let device = program_bytes(program, &Counts { train, step, test });
        let memory = program.memory(&samples);
        let [state, shared] = [memory.state, memory.shared].map(|bytes| bytes as u64);
        // A tile of the widest samples for each of four threads, forward and backward.
        let sample = program.memory(&Samples { train: 1, test: 1 }).samples as u64;
        let stored = program.parameters.count() as u64 * F32;
        Estimate {
            parameters: program.parameters.trained() as u64,
            // The state, its copy when it is saved, a part of every gradient for each chunk, and
            // the samples' tokens and labels, twice while they are handed over.
            host_bytes: state
                .saturating_mul(2)
                .saturating_add(shared)
                .saturating_add(stored.saturating_mul(CHUNKS))
                .saturating_add(sample.saturating_mul(4 * TILE))
                .saturating_add(((train + test) as u64).saturating_mul(32)),
            device_bytes: device.all,
            largest_buffer: device.arena,
            state_bytes: state.saturating_add(HEADER),
            checkpoint_bytes: stored.saturating_add(HEADER),
            flops_per_epoch: 2.0 * program.epoch_cost(&samples).multiply_adds(),
        }
    }
}

/// The dimensions, padded as the tables are.
struct Sizes {
    p: u64,
    d: u64,
    heads: u64,
    e: u64,
    f: u64,
    fp: u64,
    cp: u64,
    trained: u64,
    stored: u64,
}

impl Sizes {
    fn new(s: &Shape) -> Sizes {
        let [p, d, heads, e, f] =
            [s.modulus, s.d_model, s.heads, s.d_head, s.d_mlp].map(|x| x as u64);
        let product = |factors: &[u64]| factors.iter().fold(1u64, |a, b| a.saturating_mul(*b));
        let weights = [
            product(&[p + 4, d]),
            product(&[4, heads, d, e]),
            product(&[2, d, f]),
            product(&[d, p]),
        ];
        let weights = weights.iter().fold(0u64, |a, b| a.saturating_add(*b));
        let stored = weights.saturating_add(f + d);
        let trained = if s.trained_biases { stored } else { weights };
        let (fp, cp) = (f.next_multiple_of(16), p.next_multiple_of(16));
        Sizes {
            p,
            d,
            heads,
            e,
            f,
            fp,
            cp,
            trained,
            stored,
        }
    }

    /// Rows that depend on a token: U′ and D′, and as much again for their gradients.
    fn rows(&self) -> u64 {
        // U′ and D′ may have a line more, so that rows do not meet in one set of a cache.
        let row = self.heads.saturating_mul(self.fp + self.cp + 16);
        row.saturating_mul(4 * self.p)
    }

    fn host(&self, train: u64, test: u64) -> u64 {
        let he = self.heads.saturating_mul(self.e);
        let m = self.f.saturating_mul(self.cp);
        let chunks = |pairs: u64| pairs.div_ceil(TILE).min(CHUNKS);
        let tile = TILE.saturating_mul(2 * self.fp + 2 * self.cp + 3 * self.heads);
        let floats = [
            self.stored.saturating_mul(4),
            self.rows(),
            // x, its gradient and V′, and its
            (2 * self.p).saturating_mul(3 * self.d + 2 * he),
            // M and its gradient, plain and packed; W_O W_in and W_O W_U, three times
            m.saturating_mul(5),
            he.saturating_mul(5 * (self.fp + self.cp)),
            self.d.saturating_mul(self.fp + self.cp),
            chunks(train).saturating_mul(m.saturating_add(self.fp + self.cp)),
            // five for each thread of a cell, of which four are counted
            chunks(train.max(test)).min(4).saturating_mul(5 * tile),
            // per training pair: gradients of neurons and logits, attention, scores
            train.saturating_mul(self.fp + self.cp + 4 * self.heads),
            // the pairs themselves and their lists, twice while they are handed over
            train.saturating_mul(10),
            test.saturating_mul(6),
        ];
        floats
            .iter()
            .fold(0u64, |a, b| a.saturating_add(*b))
            .saturating_mul(F32)
    }
}

/// The memory this process may still take, in bytes, as the system tells it; `None` where it does
/// not. On Linux the smaller of what is free or reclaimable and what the control group leaves.
pub fn available_memory() -> Option<u64> {
    let free = meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(free.min(control_group().unwrap_or(u64::MAX)))
}

/// `MemAvailable` of `/proc/meminfo`.
fn meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What version 2 control groups leave of this process's limit.
fn control_group() -> Option<u64> {
    let path = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = path.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{group}/{file}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_executor::Activation;

    fn shape(modulus: usize) -> Shape {
        Shape {
            modulus,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp: 512,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    #[test]
    fn the_published_epoch_has_2_83_gflop() {
        let estimate = Estimate::new(&shape(113), 3830, 8939, 1);
        assert_eq!(estimate.parameters, 226_048);
        let gflop = estimate.flops_per_epoch / 1e9;
        assert!((gflop / 2.83 - 1.0).abs() < 0.02, "{gflop}");
    }

    #[test]
    fn the_published_cell_takes_tens_of_megabytes() {
        let one = Estimate::new(&shape(113), 3830, 8939, 1);
        assert!(
            (15_000_000..60_000_000).contains(&one.host_bytes),
            "{}",
            one.host_bytes
        );
        let four = Estimate::new(&shape(113), 3830, 8939, 4);
        assert_eq!(
            (four.host_bytes, four.state_bytes),
            (4 * one.host_bytes, one.state_bytes)
        );
        assert!(
            (900_000..930_000).contains(&one.checkpoint_bytes),
            "{}",
            one.checkpoint_bytes
        );
    }

    #[test]
    fn the_largest_of_all_specs_saturates_rather_than_overflows() {
        let huge = Shape {
            modulus: 65_535,
            d_model: 65_536,
            heads: 1024,
            d_head: 65_536,
            d_mlp: 65_536,
            activation: Activation::Gelu,
            trained_biases: true,
        };
        let pairs = 65_535usize * 65_535;
        let estimate = Estimate::new(&huge, pairs / 2, pairs / 2, 1 << 20);
        assert!(estimate.host_bytes > 1 << 50 && estimate.device_bytes > 1 << 50);
        assert!(estimate.flops_per_epoch.is_finite());
    }

    #[test]
    fn the_memory_that_is_left_is_read() {
        let text = "MemTotal:  8 kB\nMemFree: 3 kB\nMemAvailable:       5 kB\nBuffers: 1 kB\n";
        assert_eq!(meminfo(text), Some(5 * 1024));
        assert_eq!(meminfo("MemTotal: 8 kB\n"), None);
    }
}
