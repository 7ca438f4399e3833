//! Builds the plan: the jobs of the kernels `product` and `sums`, as words in a buffer. A level of
//! the program is a list of jobs that do not depend on each other, divided into tiles, with a
//! workgroup for each.

use super::arena::Place;

/// A matrix in a replica's part of the arena, given by its first vec4 and the number of vec4s from
/// row to row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    first: usize,
    step: usize,
    /// whether the matrix is stored transposed
    flipped: bool,
}

impl Matrix {
    /// Returns the matrix of a whole table.
    pub(crate) fn of(place: Place) -> Matrix {
        Matrix {
            first: place.first,
            step: place.vec4s(),
            flipped: false,
        }
    }

    /// Returns the rows of one head of a table `(rows, heads, cols)`.
    pub(crate) fn of_head(place: Place, head: usize, heads: usize) -> Matrix {
        Matrix::of(place).at_row(head).every(heads)
    }

    /// Returns the matrix from this stored row on.
    pub(crate) fn at_row(self, row: usize) -> Matrix {
        Matrix {
            first: self.first + row * self.step,
            ..self
        }
    }

    /// Returns the matrix from this vec4 of every stored row on.
    pub(crate) fn at_four(self, four: usize) -> Matrix {
        Matrix {
            first: self.first + four,
            ..self
        }
    }

    /// Returns every `rows`-th stored row; with 0, the same row again and again.
    pub(crate) fn every(self, rows: usize) -> Matrix {
        Matrix {
            step: self.step * rows,
            ..self
        }
    }

    /// Returns the transposed matrix.
    pub(crate) fn t(self) -> Matrix {
        Matrix {
            flipped: !self.flipped,
            ..self
        }
    }
}

/// A product A B: k, A, B.
type Segment = (usize, Matrix, Matrix);

/// C (m, n) = alpha Σ A (m, k) B (k, n) over the segments, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    m: usize,
    n: usize,
    c: Matrix,
    alpha: f32,
    segments: Vec<Segment>,
}

impl Product {
    /// Makes a product without segments, which is zero.
    pub(crate) fn new(m: usize, n: usize, c: Matrix) -> Product {
        Product {
            m,
            n,
            c,
            alpha: 1.0,
            segments: Vec::new(),
        }
    }

    /// Adds A B.
    pub(crate) fn plus(mut self, k: usize, a: Matrix, b: Matrix) -> Product {
        self.segments.push((k, a, b));
        self
    }

    pub(crate) fn scaled(self, alpha: f32) -> Product {
        Product { alpha, ..self }
    }
}

/// A sum of the kernel `sums`, whose header describes the kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    /// the sum of the rows of a table `(count, width)`, into `out`
    Parts {
        values: Place,
        count: usize,
        width: usize,
        out: Place,
        /// number of vec4s from `out`'s start
        out_four: usize,
    },
    /// the weighted rows of each token: values `(pairs, width)` → `(2p, heads, width)`
    Rows {
        values: Place,
        weights: Place,
        out: Place,
    },
    /// the gradients of the scores: `(heads, 3, pairs)` → `(2p, heads)`
    Scores { values: Place, out: Place },
}

/// The size of a tile of a product, in rows and in vec4s of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: usize,
    pub(crate) vec4s: usize,
}

/// The tiles of one level in the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// The words of a plan, four at a time.
#[derive(Default)]
pub(crate) struct Plan {
    words: Vec<[u32; 4]>,
}

impl Plan {
    /// Returns all words.
    pub(crate) fn words(&self) -> &[u32] {
        self.words.as_flattened()
    }

    fn push(&mut self, words: [usize; 4]) -> usize {
        // Tables of more than 2³² vec4s have been refused before.
        self.words.push(words.map(|word| word as u32));
        self.words.len() - 1
    }

    fn level(&mut self, tiles: Vec<[usize; 4]>) -> Level {
        let (first, count) = (self.words.len(), tiles.len());
        for tile in tiles {
            self.push(tile);
        }
        Level { first, count }
    }

    /// Adds products that do not depend on each other.
    pub(crate) fn products(&mut self, products: &[Product], size: Tile) -> Level {
        let mut tiles = Vec::new();
        for product in products {
            let segments = self.words.len();
            for (k, a, b) in &product.segments {
                self.push([a.first, a.step, b.first, b.step]);
                self.push([*k, usize::from(a.flipped), usize::from(b.flipped), 0]);
            }
            let job = self.push([product.m, product.n, product.c.first, product.c.step]);
            let alpha = product.alpha.to_bits() as usize;
            self.push([segments, product.segments.len(), alpha, 0]);
            for row in (0..product.m).step_by(size.rows) {
                for four in (0..product.n.div_ceil(4)).step_by(size.vec4s) {
                    tiles.push([job, row, four, 0]);
                }
            }
        }
        self.level(tiles)
    }

    /// Adds sums that do not depend on each other, over `rows` token rows.
    pub(crate) fn sums(&mut self, sums: &[Sum], rows: usize, heads: usize) -> Level {
        let mut tiles = Vec::new();
        let h4 = heads.div_ceil(4);
        for sum in sums {
            match *sum {
                Sum::Parts {
                    values,
                    count,
                    width,
                    out,
                    out_four,
                } => {
                    let job = self.push([0, values.first, width, width]);
                    self.push([out.first + out_four, count, 0, 0]);
                    tiles.extend((0..width).step_by(64).map(|j| [job, j, 0, 0]));
                }
                Sum::Rows {
                    values,
                    weights,
                    out,
                } => {
                    let width = values.vec4s();
                    let job = self.push([1, values.first, width, width]);
                    self.push([out.first, 0, weights.first, 0]);
                    for t in 0..rows {
                        for h in 0..h4 {
                            tiles.extend((0..width).step_by(64).map(|j| [job, j, t, h]));
                        }
                    }
                }
                Sum::Scores { values, out } => {
                    let job = self.push([2, values.first, values.vec4s(), 0]);
                    self.push([out.first, 0, 0, 0]);
                    tiles.extend((0..rows * h4).step_by(64).map(|item| [job, item, 0, 0]));
                }
            }
        }
        self.level(tiles)
    }
}
