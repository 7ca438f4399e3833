//! Runs the evaluate stage: forward and loss on the test pairs.

use grokrun_executor::Sample;
use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;

use super::dims::Dims;
use super::loss::{labels, score};

use super::tables::Tables;
use super::workspace::Threads;
use super::{Score, TILE, chunk_len};

/// Holds a score for each chunk of the test pairs.
pub(crate) struct Evaluator {
    chunks: Vec<Score>,
    chunk_len: usize,
}

impl Evaluator {
    /// Makes an evaluator for `n` pairs.
    pub(crate) fn new(n: usize) -> Evaluator {
        let chunk_len = chunk_len(n);
        let chunks = vec![Score::default(); n.div_ceil(chunk_len)];
        Evaluator { chunks, chunk_len }
    }

    /// Returns the mean loss and the accuracy.
    pub(crate) fn evaluate<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        samples: &[Sample],
        Threads { workspaces, share }: Threads<'_>,
    ) -> Score {
        let grain = share.pair_grain();
        self.chunks
            .par_iter_mut()
            .with_min_len(grain)
            .with_max_len(grain)
            .zip(samples.par_chunks(self.chunk_len))
            .each(&|(total, samples)| {
                let tile = &mut workspaces.mine().test;
                vectorized!(simd, {
                    *total = Score::default();
                    for samples in samples.chunks(TILE) {
                        tile.forward(simd, dims, t, samples);
                        *total += score(&tile.logits, dims.cp, labels(samples));
                    }
                });
            });
        Score::mean(self.chunks.iter().copied(), samples.len())
    }
}
