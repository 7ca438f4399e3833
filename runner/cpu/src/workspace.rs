//! Holds the tiles that a thread works on. Each thread has one workspace whatever its cell, so that
//! cells overwrite each other's tiles in the thread's caches.

use std::sync::{Mutex, MutexGuard};

use grokrun_executor::Activation;

use super::buffer::Buffer;
use super::dims::Dims;
use super::pass::Tile;
use super::product::Right;
use super::sharing::Sharing;
use super::{GROUP, GROUP_BYTES, TILE, guarded};

pub(crate) struct Workspace {
    /// for training: the tiles that go through one kernel before the next kernel starts
    pub(crate) tiles: Vec<Tile>,
    /// for evaluation, without the neurons' inputs
    pub(crate) test: Tile,
    /// dlogits of a tile, packed, `(TILE, p)`
    pub(crate) right: Right,
    /// U′·dpre + D′·g of a sample's rows, `(2, heads)`
    pub(crate) along: Vec<f32>,
    /// memory for a sum over a tile, `(max(fp, cp))`
    pub(crate) sum: Buffer,
}

/// The threads that work on a cell: their workspaces, and how they divide the work.
#[derive(Clone, Copy)]
pub(crate) struct Threads<'a> {
    pub(crate) workspaces: &'a Workspaces,
    pub(crate) share: Sharing,
}

/// The threads' workspaces. Every entry of a workspace is written before it is read, so the choice
/// of the workspace does not matter.
pub(crate) struct Workspaces(Vec<Mutex<Workspace>>);

impl Workspaces {
    /// Allocates workspaces for `threads` threads, at least one.
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

    /// Locks this thread's workspace. While it is locked, no work may be shared with rayon: a task
    /// that the thread then took would lock the workspace again.
    pub(crate) fn mine(&self) -> MutexGuard<'_, Workspace> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        guarded(self.0[thread % self.0.len()].lock())
    }
}
