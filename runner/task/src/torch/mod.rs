//! Reproduces torch's CPU generator: `torch.manual_seed`, `randperm`, `rand`, `random_`, `normal_`,
//! `uniform_`, `trunc_normal_` and `bernoulli_`, and the order of a shuffling `DataLoader`.
//!
//! The bits are those of torch 2 on x86-64 with AVX2 or AVX-512, on every machine: the vectorised
//! kernel is arithmetic that IEEE 754 fixes (`vector.rs`), and the scalar draw takes its functions
//! from a Rust library. Checked against vectors made with torch 2.15.

mod init;
mod vector;

use std::num::NonZeroU64;

use rand_mt::Mt;

pub use init::{
    kaiming_deviation, linear_bias_bound, linear_bound, xavier_bound, xavier_deviation,
};
use vector::BLOCK;

/// From this many elements on, `randperm` draws 64-bit words and goes in the other direction.
const LARGE_PERMUTATION: u32 = u32::MAX / 20;

/// torch's default CPU generator.
#[derive(Clone, Debug)]
pub struct Generator {
    words: Mt,
    /// The second half of a scalar Box–Muller pair. It is kept for the next scalar draw however
    /// many other numbers are drawn between: in torch only seeding clears it.
    kept: Option<f64>,
}

impl Generator {
    /// Does the same as `torch.manual_seed(seed)`. torch seeds MT19937 with the low 32 bits alone,
    /// so seeds that differ by a multiple of 2^32 are the same seed.
    pub fn new(seed: i64) -> Generator {
        Generator {
            words: Mt::new(seed as u32),
            kept: None,
        }
    }

    /// Returns `torch.randperm(count)`: the numbers below `count` in random order.
    pub fn randperm(&mut self, count: u32) -> Vec<u32> {
        if count < LARGE_PERMUTATION {
            self.shuffled_forwards(count)
        } else {
            self.shuffled_inside_out(count)
        }
    }

    /// Shuffles by Fisher–Yates from the front; draws `count - 1` words of 32 bits.
    fn shuffled_forwards(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for place in 0..count.saturating_sub(1) {
            let other = place + self.words.next_u32() % (count - place);
            order.swap(place as usize, other as usize);
        }
        order
    }

    /// Shuffles by the inside-out form of Fisher–Yates; draws `count` words of 64 bits.
    fn shuffled_inside_out(&mut self, count: u32) -> Vec<u32> {
        let mut order = Vec::with_capacity(count as usize);
        for place in 0..count {
            let other = (self.next_u64() % (u64::from(place) + 1)) as usize;
            order.push(place);
            order.swap(place as usize, other);
        }
        order
    }

    /// Does the same as `tensor.normal_(mean, std)` on a contiguous float32 tensor with the
    /// elements `out`.
    ///
    /// Sixteen elements or more are drawn in blocks of sixteen in single precision, fewer one by
    /// one in double precision. `mean` and `std` are doubles as in torch, which rounds them to
    /// single precision for the blocks alone.
    pub fn normal(&mut self, out: &mut [f32], mean: f64, std: f64) {
        if out.len() < BLOCK {
            out.fill_with(|| (self.standard_normal() * std + mean) as f32);
            return;
        }
        let (mean, std) = (mean as f32, std as f32);
        out.fill_with(|| self.uniform_f32());
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        for block in blocks {
            vector::normal(block, mean, std);
        }
        // If the last block is incomplete, torch redraws the last sixteen elements.
        if !rest.is_empty()
            && let Some(last) = out.last_chunk_mut::<BLOCK>()
        {
            last.fill_with(|| self.uniform_f32());
            vector::normal(last, mean, std);
        }
    }

    /// Draws one number of the standard normal distribution: Box–Muller in double precision; the
    /// cosine is returned first, and the sine is kept for the next call.
    fn standard_normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let angle = std::f64::consts::TAU * self.uniform_f64();
        let radius = (-2.0 * libm::log1p(-self.uniform_f64())).sqrt();
        self.kept = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Draws `torch.rand(1)`: uniform in [0, 1), from the low 24 bits of a word.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.words.next_u32() & 0x00ff_ffff) as f32 / (1 << 24) as f32
    }

    /// Draws `torch.rand(1, dtype=torch.float64)`: uniform in [0, 1), from the low 53 bits of two
    /// words.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
    }

    /// Draws `tensor.random_(0, bound)`: an integer below `bound`, from one word for a bound below
    /// 2^28, and from two words otherwise.
    pub fn random_below(&mut self, bound: NonZeroU64) -> u64 {
        let drawn = match bound.get() {
            0x1000_0000.. => self.next_u64(),
            _ => u64::from(self.words.next_u32()),
        };
        drawn % bound
    }

    /// Draws two words; the first one is the high half.
    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.words.next_u32());
        high << 32 | u64::from(self.words.next_u32())
    }
}

#[cfg(test)]
mod tests;
