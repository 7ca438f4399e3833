//! Room for the tiles that a thread works on, one for each thread whatever its cell, so that what
//! some leave in its caches the next ones overwrite there.

use std::sync::{Mutex, MutexGuard};

use grokrun_executor::Activation;

use super::buffer::Buffer;
use super::dims::Dims;
use super::pass::Tile;
use super::product::Right;
use super::{GROUP, GROUP_BYTES, TILE, guarded};

pub(crate) struct Workspace {
    /// for training: as many as go through a kernel together
    pub(crate) tiles: Vec<Tile>,
    /// for testing, without the neurons' inputs
    pub(crate) test: Tile,
    /// dlogits of a tile, packed, `(TILE, p)`
    pub(crate) right: Right,
    /// U′·dpre + D′·g of a sample's rows, `(2, heads)`
    pub(crate) along: Vec<f32>,
    /// room for a sum over a tile, `(max(fp, cp))`
    pub(crate) sum: Buffer,
}

/// The threads' workspaces. What one holds is written before it is read, so that it does not matter
/// which one a thread gets.
pub(crate) struct Workspaces(Vec<Mutex<Workspace>>);

impl Workspaces {
    /// For so many threads, at least one.
    pub(crate) fn new(dims: &Dims, threads: usize) -> Workspaces {
        let kept = dims.activation != Activation::Relu;
        let bytes = (1 + usize::from(kept)) * TILE * dims.fr * size_of::<f32>();
        let count = (GROUP_BYTES / bytes).clamp(1, GROUP);
        let workspace = |_| {
            Mutex::new(Workspace {
                tiles: (0..count).map(|_| Tile::new(dims, kept)).collect(),
                test: Tile::new(dims, false),
                right: Right::zeros(TILE, dims.p),
                along: vec![0.0; 2 * dims.heads],
                sum: Buffer::zeros(dims.fp.max(dims.cp)),
            })
        };
        Workspaces((0..threads.max(1)).map(workspace).collect())
    }

    /// This thread's. While it is held, nothing may be shared with rayon: a task that the thread
    /// then took would ask for it again.
    pub(crate) fn mine(&self) -> MutexGuard<'_, Workspace> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        guarded(self.0[thread % self.0.len()].lock())
    }
}
