//! Lowers the stages of a program to jobs of kernels. The lowering is a pure function: no device is
//! needed.
//!
//! Owns which kernel computes an operation, how its views become blocks, and how sums over many
//! rows are divided into parts. The division depends on the program and the number of samples
//! alone.

mod loss;
mod matrices;
mod rows;
mod update;

use std::collections::HashMap;

use grokrun_program::{Extent, Part, Program, Samples, Stage, TableId, View};
use grokrun_shaders::program::{Block, View as BlockView};
use grokrun_shaders::{Kernel, Words};

use super::layout::Layout;
use super::samples::SampleWords;
use super::schedule::{Region, Space, Work};
use crate::gpu::variant::Variant;

/// The value of [`BlockView::lookup`] for which the row is the job's own.
const OWN: u32 = u32::MAX;
/// The number of entries that a workgroup of most kernels computes.
const NUMBERS: usize = 256;

/// Lowers stages one after another.
pub(crate) struct Lowering<'a> {
    program: &'a Program,
    layout: &'a Layout,
    samples: Samples,
    variant: Variant,
    works: Vec<Work>,
    terms: HashMap<&'static str, Vec<u32>>,
    /// the next free entry after the tables, and the first one that no list of jobs has used
    scratch: [usize; 2],
}

/// Entries of the arena that lie side by side.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    first: usize,
    count: usize,
    space: Space,
}

impl Numbers {
    fn region(&self) -> Region {
        match self.space {
            // Whole tables, whatever their rows stand for.
            Space::Table(_) => Region {
                space: self.space,
                rows: [0, usize::MAX],
                cols: [0, usize::MAX],
            },
            _ => Region::of(self.space, self.first, self.count),
        }
    }

    /// Returns the entries as a matrix with `cols` columns.
    fn block(&self, cols: usize) -> Block {
        Block {
            first: self.first as u32,
            row: cols as u32,
            col: 1,
        }
    }
}

fn transposed(block: Block) -> Block {
    Block {
        row: block.col,
        col: block.row,
        ..block
    }
}

impl<'a> Lowering<'a> {
    /// Prepares the lowering for these numbers of samples, which may be smaller than the layout's.
    pub(crate) fn new(
        program: &'a Program,
        layout: &'a Layout,
        samples: Samples,
        variant: Variant,
    ) -> Lowering<'a> {
        Lowering {
            variant,
            program,
            layout,
            samples,
            works: Vec::new(),
            terms: HashMap::new(),
            scratch: [layout.end(); 2],
        }
    }

    /// Continues with another number of training samples.
    pub(crate) fn with_train(&mut self, train: usize) {
        self.samples.train = train;
    }

    /// Returns the jobs of these stages, in an order in which they can run.
    pub(crate) fn stages(&mut self, stages: &[Stage]) -> Vec<Work> {
        self.scratch[0] = self.layout.end();
        for stage in stages {
            match stage {
                Stage::Update => self.update(),
                _ => {
                    for op in self.program.stage(*stage) {
                        self.op(op);
                    }
                }
            }
            if let Stage::Forward(part) = stage {
                self.metrics(*part);
            }
        }
        std::mem::take(&mut self.works)
    }

    /// Returns the terms of each kernel, by name.
    pub(crate) fn terms(&self) -> &HashMap<&'static str, Vec<u32>> {
        &self.terms
    }

    /// Returns the number of entries of a replica's part: tables, and the scratch entries after
    /// them.
    pub(crate) fn numbers(&self) -> usize {
        self.scratch[1]
    }

    fn rows(&self, extent: Extent) -> usize {
        self.program.rows(extent, &self.samples)
    }

    fn count(&self, part: Part) -> usize {
        match part {
            Part::Train => self.samples.train,
            Part::Test => self.samples.test,
        }
    }

    fn words(&self, part: Part) -> SampleWords {
        SampleWords::new(self.program, self.count(part))
    }

    /// Reserves entries after the tables.
    fn scratch(&mut self, count: usize) -> Numbers {
        let first = self.scratch[0];
        self.scratch[0] = first.saturating_add(count);
        self.scratch[1] = self.scratch[1].max(self.scratch[0]);
        Numbers {
            first,
            count,
            space: Space::Scratch,
        }
    }

    /// Returns the entries of a table that does not depend on samples.
    fn table(&self, id: TableId) -> Numbers {
        Numbers {
            first: self.layout.first(id),
            count: self.program.entries(id),
            space: Space::Table(id.0),
        }
    }

    fn region(&self, view: View) -> Region {
        let range = |span: grokrun_program::Span| {
            let end = span.first.saturating_add(self.rows(span.extent));
            [span.first, end]
        };
        Region {
            space: Space::Table(view.table.0),
            rows: range(view.rows),
            cols: range(view.cols),
        }
    }

    /// Returns a view as it is read at the rows of `over`.
    fn block_view(&self, view: View, over: Extent) -> BlockView {
        let Block { first, row, col } = self.layout.block(view);
        let (row, lookup) = match (view.height(), over) {
            (own, over) if own == over => (row, OWN),
            (Extent::Token(position), Extent::Sample(part)) => {
                (row, self.words(part).tokens(position) as u32)
            }
            // The program's check lets nothing but a single row through.
            _ => (0, OWN),
        };
        BlockView {
            first,
            row,
            col,
            lookup,
        }
    }

    fn push(
        &mut self,
        kernel: &'static Kernel,
        job: &impl Words,
        tiles: usize,
        reads: Vec<Region>,
        writes: Vec<Region>,
    ) {
        if tiles == 0 {
            return;
        }
        let mut words = Vec::new();
        job.push(&mut words);
        self.works.push(Work {
            kernel,
            job: words,
            tiles,
            reads,
            writes,
        });
    }

    /// Adds a term of a kernel's jobs, and returns the index of the term.
    fn term(&mut self, kernel: &'static Kernel, term: &impl Words) -> u32 {
        let words = self.terms.entry(kernel.name).or_default();
        let number = words.len() / size_of_words(term);
        term.push(words);
        number as u32
    }
}

fn size_of_words<W: Words>(_: &W) -> usize {
    W::COUNT
}
