//! Lowers products of matrices, divided into tiles, and into parts if they are sums over many rows.

use grokrun_program::{Factors, View, Write};
use grokrun_shaders::program::{Block, add, product};

use super::{Lowering, NUMBERS, Numbers, OWN, transposed};
use crate::gpu::programs::schedule::Region;

/// The number of rows and of columns of a tile on GPUs, for which products are divided.
const TILE: usize = 64;
/// The length of k that goes through workgroup memory at once.
const DEPTH: usize = 16;
/// The number of tiles that keep a device busy; a product with fewer is divided along k.
const BUSY: usize = 256;
/// The smallest and the largest length of k in a part.
const PART: [usize; 2] = [256, 65_520];

/// A matrix that is read.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub(super) block: Block,
    pub(super) region: Region,
}

impl Read {
    pub(super) fn t(self) -> Read {
        Read {
            block: transposed(self.block),
            ..self
        }
    }
}

/// A matrix that is written.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) block: Block,
    pub(super) region: Region,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) write: Write,
}

impl Numbers {
    /// Returns the numbers as a matrix that is read.
    pub(super) fn read(&self, cols: usize) -> Read {
        Read {
            block: self.block(cols),
            region: self.region(),
        }
    }

    /// Returns the numbers as a matrix that is written.
    pub(super) fn target(&self, rows: usize, cols: usize, write: Write) -> Target {
        Target {
            block: self.block(cols),
            region: self.region(),
            rows,
            cols,
            write,
        }
    }
}

impl Lowering<'_> {
    pub(super) fn product_op(&mut self, out: View, write: Write, scale: f64, terms: &[Factors]) {
        let mut target = Target {
            block: self.layout.block(out),
            region: self.region(out),
            rows: self.rows(out.height()),
            cols: self.rows(out.width()),
            write,
        };
        let factors: Vec<(Read, Read, usize)> = terms
            .iter()
            .map(|term| {
                let read = |view: View| Read {
                    block: self.layout.block(view),
                    region: self.region(view),
                };
                let k = self.rows(term.left.width());
                (read(term.left), read(term.right), k)
            })
            .collect();
        // All products are one sum, unless that sum would be long.
        if factors.len() > 1 && factors.iter().any(|(.., k)| *k > 2 * PART[0]) {
            for factors in factors {
                self.product(target, scale as f32, &[factors]);
                target.write = Write::Add;
            }
        } else {
            self.product(target, scale as f32, &factors);
        }
    }

    /// Adds out ← scale · Σ A B.
    pub(super) fn product(&mut self, out: Target, scale: f32, factors: &[(Read, Read, usize)]) {
        let Target { rows, cols, .. } = out;
        let (kernel, tile) = self.variant.program_product();
        let (across, down) = (cols.div_ceil(tile[1]), rows.div_ceil(tile[0]));
        let k = factors.iter().map(|(.., k)| *k).max().unwrap_or(0);
        let (chunk, parts) = match factors {
            [_] => cut(k, rows.div_ceil(TILE).saturating_mul(cols.div_ceil(TILE))),
            _ => (k.max(1), 1),
        };
        let mut reads = Vec::new();
        let mut first = None;
        for (left, right, k) in factors {
            reads.extend([left.region, right.region]);
            let term = product::Term {
                left: left.block,
                right: right.block,
                k: *k as u32,
            };
            let number = self.term(kernel, &term);
            first.get_or_insert(number);
        }
        let mut job = product::Job {
            tile: 0,
            m: rows as u32,
            n: cols as u32,
            across: across as u32,
            down: down as u32,
            first_term: first.unwrap_or(0),
            terms: factors.len() as u32,
            out: out.block,
            scale,
            add: 0,
            chunk: chunk as u32,
            part: 0,
        };
        let tiles = across.saturating_mul(down).saturating_mul(parts);
        if parts == 1 {
            if out.write == Write::Add {
                reads.push(out.region);
                job.add = 1;
            }
            self.push(kernel, &job, tiles, reads, vec![out.region]);
            return;
        }
        let size = rows.saturating_mul(cols);
        let left = self.scratch(parts.saturating_mul(size));
        job.out = left.block(cols);
        job.part = size as u32;
        self.push(kernel, &job, tiles, reads, vec![left.region()]);
        self.total(left, parts, [rows, cols], out.block, out.region, out.write);
    }

    /// Adds to ← to + factor · from, for numbers side by side.
    pub(super) fn add_scaled(&mut self, to: Numbers, factor: f64, from: Numbers) {
        let term = add::Term {
            values: grokrun_shaders::program::View {
                first: from.first as u32,
                row: 0,
                col: 1,
                lookup: OWN,
            },
            scale: factor as f32,
            ..add::Term::default()
        };
        let job = add::Job {
            tile: 0,
            rows: 1,
            cols: to.count as u32,
            width: to.count as u32,
            first_term: self.term(&add::KERNEL, &term),
            terms: 1,
            constant: 0.0,
            out: to.block(0),
            add: 1,
        };
        let tiles = to.count.div_ceil(NUMBERS);
        let reads = vec![from.region(), to.region()];
        self.push(&add::KERNEL, &job, tiles, reads, vec![to.region()]);
    }
}

/// Returns the length of k in a part, and the number of parts, of a product with `tiles` tiles.
fn cut(k: usize, tiles: usize) -> (usize, usize) {
    let [least, most] = PART;
    let parts = (BUSY / tiles.max(1)).clamp(1, k.div_ceil(least).max(1));
    let parts = parts.max(k.div_ceil(most));
    let chunk = k.div_ceil(parts).next_multiple_of(DEPTH).max(DEPTH);
    (chunk, k.div_ceil(chunk).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sums_of_small_products_are_cut_and_parts_hold_all_of_k() {
        assert_eq!(cut(128, 1), (128, 1));
        assert_eq!(cut(5000, 1000), (5008, 1));
        assert_eq!(cut(4704, 16), (304, 16));
        for k in [1, 255, 256, 257, 4705, 3_000_000] {
            for tiles in [1, 7, 300] {
                let (chunk, parts) = cut(k, tiles);
                assert!(chunk * parts >= k && chunk * (parts - 1) < k, "{k} {tiles}");
                assert!(chunk <= PART[1], "{k} {tiles}");
            }
        }
    }
}
