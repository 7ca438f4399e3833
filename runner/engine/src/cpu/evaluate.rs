//! The evaluate stage: forward and loss on the test pairs.

use pulp::Simd;
use rayon::prelude::*;

use super::dims::Dims;
use super::loss::score;
use super::pass::Tile;
use super::sharing::Sharing;
use super::tables::Tables;
use super::{Score, TILE, chunk_len};
use crate::data::Sample;

/// The test pairs' workspace: a tile and a score for each chunk.
pub(crate) struct Evaluator {
    chunks: Vec<(Tile, Score)>,
    chunk_len: usize,
}

impl Evaluator {
    pub(crate) fn new(dims: &Dims, n: usize) -> Evaluator {
        let chunk_len = chunk_len(n);
        let chunks = (0..n)
            .step_by(chunk_len)
            .map(|_| (Tile::new(dims, false), Score::default()))
            .collect();
        Evaluator { chunks, chunk_len }
    }

    /// The mean loss and the accuracy.
    pub(crate) fn evaluate<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        samples: &[Sample],
        share: Sharing,
    ) -> Score {
        let grain = share.pairs();
        self.chunks
            .par_iter_mut()
            .with_min_len(grain)
            .with_max_len(grain)
            .zip(samples.par_chunks(self.chunk_len))
            .for_each(|((tile, total), samples)| {
                vectorized!(simd, {
                    *total = Score::default();
                    for samples in samples.chunks(TILE) {
                        tile.forward(simd, dims, t, samples);
                        *total += score(&tile.logits, dims.cp, samples);
                    }
                });
            });
        Score::mean(self.chunks.iter().map(|c| c.1), samples.len())
    }
}
