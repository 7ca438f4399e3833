//! Holds the tables of the tile that a thread works on.
//!
//! Owns the tables of one tile's samples. Every entry is written before it is read, so it does not
//! matter which thread runs a tile.

use std::sync::{Mutex, MutexGuard};

use grokrun_program::{Extent, Program};

use super::plan::{Plan, TileOp};
use crate::buffer::{Buffer, padded};
use crate::product::Right;
use crate::{TILE, guarded};

/// The number of bytes that a tile's tables may take: half of a usual L2 cache.
const BYTES: usize = 512 << 10;

/// The layout of the tables of a tile in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The number of samples in a tile. The borders of tiles and chunks follow from it, so it
    /// depends on the program alone.
    pub(super) tile: usize,
    /// The stride of each table of the program.
    pub(super) strides: Vec<usize>,
    /// Whether each table belongs to the tile.
    of_tile: Vec<bool>,
    /// The tables of logits: beyond their classes they hold −∞, which no softmax sees.
    logits: Vec<usize>,
    /// The number of columns of the right operand of each product that sums over samples, by its
    /// sum.
    outer: Vec<usize>,
    /// The number of columns of the widest sum over samples.
    widest: usize,
}

impl Layout {
    pub(super) fn new(program: &Program, plan: &Plan) -> Layout {
        let of_tile: Vec<bool> = program.tables.iter().map(|t| t.rows.is_sample()).collect();
        let strides: Vec<usize> = program
            .tables
            .iter()
            .zip(&of_tile)
            .map(|(table, of_tile)| {
                if *of_tile {
                    padded(table.cols)
                } else {
                    table.cols
                }
            })
            .collect();
        let floats: usize = strides
            .iter()
            .zip(&program.tables)
            .filter(|(_, table)| table.rows == Extent::Sample(grokrun_program::Part::Train))
            .map(|(stride, _)| stride)
            .sum();
        // The tile is a multiple of the micro-kernel's rows and of the pieces that losses are
        // computed in.
        let tile = (BYTES / (4 * floats.max(1)) / 24 * 24).clamp(24, 4 * TILE);
        let logits = plan
            .train
            .iter()
            .chain(&plan.test)
            .filter_map(|op| match op {
                TileOp::Loss { logits, .. } => Some(logits.table.0),
                _ => None,
            });
        let outer = |sum: usize| {
            plan.train.iter().any(|op| match op {
                TileOp::Outer { sum: of, .. } => *of == sum,
                _ => false,
            })
        };
        Layout {
            tile,
            logits: logits.collect(),
            outer: plan
                .sums
                .iter()
                .enumerate()
                .map(|(sum, reduction)| if outer(sum) { reduction.size[1] } else { 0 })
                .collect(),
            widest: plan.sums.iter().map(|sum| sum.size[1]).max().unwrap_or(0),
            strides,
            of_tile,
        }
    }

    /// Tells whether the tiles of two programs have the same layout in memory.
    pub(super) fn shares_tiles_with(&self, other: &Layout) -> bool {
        let tables = |layout: &Layout| {
            let all = layout.strides.iter().zip(&layout.of_tile);
            let of_tile = all.enumerate().filter(|(_, (_, of_tile))| **of_tile);
            of_tile
                .map(|(place, (stride, _))| (place, *stride))
                .collect::<Vec<_>>()
        };
        self.tile == other.tile
            && self.logits == other.logits
            && self.outer == other.outer
            && tables(self) == tables(other)
    }
}

/// The tile of a thread.
pub(super) struct Workspace {
    /// The tables, by their index in the program; empty for a table that does not belong to the
    /// tile.
    pub(super) tables: Vec<Buffer>,
    /// The packed right operand of each product that sums over samples.
    pub(super) right_operands: Vec<Right>,
    /// One row of a sum over a tile.
    pub(super) sum: Buffer,
    /// The logits of a sample in f64, for losses that are computed in f64.
    pub(super) row: Vec<f64>,
}

impl Workspace {
    fn new(layout: &Layout) -> Workspace {
        let tables = layout.strides.iter().zip(&layout.of_tile).enumerate();
        let tables = tables.map(|(place, (stride, of_tile))| {
            let mut table = Buffer::zeros(if *of_tile { layout.tile * stride } else { 0 });
            if layout.logits.contains(&place) {
                table.fill(f32::NEG_INFINITY);
            }
            table
        });
        let right = |columns: &usize| match columns {
            0 => Right::default(),
            _ => Right::zeros(layout.tile, *columns),
        };
        Workspace {
            tables: tables.collect(),
            right_operands: layout.outer.iter().map(right).collect(),
            sum: Buffer::zeros(layout.widest),
            row: Vec::new(),
        }
    }
}

/// One workspace for each thread.
pub(super) struct Workspaces(Vec<Mutex<Workspace>>);

impl Workspaces {
    pub(super) fn new(layout: &Layout, threads: usize) -> Workspaces {
        let workspace = |_| Mutex::new(Workspace::new(layout));
        Workspaces((0..threads.max(1)).map(workspace).collect())
    }

    /// Locks this thread's workspace. While it is locked, no work may be shared with rayon: a task
    /// that the thread then took would lock the workspace again.
    pub(super) fn mine(&self) -> MutexGuard<'_, Workspace> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        guarded(self.0[thread % self.0.len()].lock())
    }
}
