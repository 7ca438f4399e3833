//! The floors of this machine: how many multiply-adds a second its vectors do, and how many bytes a
//! second it reads, on one thread and on all. `cargo bench --bench peak`.
//!
//! An item is a floating-point operation; a multiply-add is two. The operations of an epoch
//! (`grokrun_engine::Operations`) divided by the first are the time that it cannot be faster than.
//! `RAYON_NUM_THREADS` says how many threads "all" are, as it does for training.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use pulp::{Arch, Simd, WithSimd};

/// Independent chains of multiply-adds: more than latency times throughput needs, few enough for
/// the registers of AVX2.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in a call: some milliseconds.
const LENGTH: usize = 2_000_000;
/// Numbers that a thread reads in a call: 128 MiB, more than any cache of its own.
const NUMBERS: usize = 32 << 20;

fn main() {
    divan::main();
}

fn all_threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS");
    let asked = asked.ok().and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Multiply-adds on registers alone.
struct Chains;

impl WithSimd for Chains {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let [factor, term] = [0.999, 1e-3].map(|x| simd.splat_f32s(black_box(x)));
        let mut sums = [simd.splat_f32s(black_box(1.0)); CHAINS];
        for _ in 0..LENGTH {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(*sum, factor, term);
            }
        }
        let total = sums.into_iter().reduce(|a, b| simd.add_f32s(a, b));
        total.map_or(0.0, |total| simd.reduce_sum_f32s(total))
    }
}

/// The lanes of a vector.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Sums from memory.
struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, _) = S::as_simd_f32s(self.0);
        let mut sums = [simd.splat_f32s(0.0); 8];
        for eight in vectors.chunks_exact(8) {
            for (sum, vector) in sums.iter_mut().zip(eight) {
                *sum = simd.add_f32s(*sum, *vector);
            }
        }
        let total = sums.into_iter().reduce(|a, b| simd.add_f32s(a, b));
        total.map_or(0.0, |total| simd.reduce_sum_f32s(total))
    }
}

fn on_threads(threads: usize, work: impl Fn(usize) -> f32 + Sync) {
    std::thread::scope(|scope| {
        let work = &work;
        for thread in 0..threads {
            scope.spawn(move || black_box(work(thread)));
        }
    });
}

fn arithmetic(bencher: Bencher<'_, '_>, threads: usize) {
    let lanes = Arch::new().dispatch(Lanes);
    bencher
        .counter(ItemsCount::new(2 * CHAINS * LENGTH * lanes * threads))
        .bench_local(|| on_threads(threads, |_| Arch::new().dispatch(Chains)));
}

fn memory(bencher: Bencher<'_, '_>, threads: usize) {
    let numbers: Vec<Vec<f32>> = (0..threads).map(|i| vec![i as f32; NUMBERS]).collect();
    bencher
        .counter(BytesCount::new(4 * NUMBERS * threads))
        .bench_local(|| on_threads(threads, |i| Arch::new().dispatch(Sum(&numbers[i]))));
}

#[divan::bench_group(sample_size = 1, sample_count = 30)]
mod multiply_adds {
    use super::*;

    #[divan::bench]
    fn one_thread(bencher: Bencher<'_, '_>) {
        arithmetic(bencher, 1);
    }

    #[divan::bench]
    fn all_threads(bencher: Bencher<'_, '_>) {
        arithmetic(bencher, super::all_threads());
    }
}

#[divan::bench_group(sample_size = 1, sample_count = 10)]
mod bytes_read {
    use super::*;

    #[divan::bench]
    fn one_thread(bencher: Bencher<'_, '_>) {
        memory(bencher, 1);
    }

    #[divan::bench]
    fn all_threads(bencher: Bencher<'_, '_>) {
        memory(bencher, super::all_threads());
    }
}
