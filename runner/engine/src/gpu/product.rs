//! What the product kernel is told: where its three matrices lie.

use wgpu::Buffer;

use super::recorder::Recorder;

/// A matrix, or many of one shape, somewhere in a buffer: element (i, j) of (replica, batch) is at
/// `offset + replica * replica + batch * batch + i * row + j * col`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) buffer: &'a Buffer,
    pub(crate) offset: usize,
    pub(crate) row: usize,
    pub(crate) col: usize,
    /// where the k index steps in blocks: from block to block
    pub(crate) outer: usize,
    pub(crate) batch: usize,
    pub(crate) replica: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major with `width` columns; `replica` numbers from replica to replica.
    pub(crate) fn rows(buffer: &'a Buffer, width: usize, replica: usize) -> Matrix<'a> {
        Matrix {
            buffer,
            offset: 0,
            row: width,
            col: 1,
            outer: 0,
            batch: 0,
            replica,
        }
    }

    pub(crate) fn at(self, offset: usize) -> Matrix<'a> {
        Matrix {
            offset: self.offset + offset,
            ..self
        }
    }

    pub(crate) fn t(self) -> Matrix<'a> {
        Matrix {
            row: self.col,
            col: self.row,
            ..self
        }
    }

    /// One matrix every `batch` numbers.
    pub(crate) fn each(self, batch: usize) -> Matrix<'a> {
        Matrix { batch, ..self }
    }

    /// The k index starts again every block, `outer` numbers on.
    pub(crate) fn blocks(self, outer: usize) -> Matrix<'a> {
        Matrix { outer, ..self }
    }

    fn words(&self) -> [u32; 8] {
        let words = [
            self.offset,
            self.row,
            self.col,
            self.outer,
            self.batch,
            self.replica,
            0,
            0,
        ];
        // Buffers are bound only up to 4 GiB, so places in them fit.
        words.map(|word| word as u32)
    }
}

/// `c (m, n) = or += alpha a (m, k) b (k, n)`.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// matrices
    pub(crate) batches: usize,
    pub(crate) replicas: usize,
    /// length of a block of k
    pub(crate) block: usize,
    /// if not 0: batch b takes this many k, and writes its own part
    pub(crate) split: usize,
    pub(crate) add: bool,
    /// 0: identity, 1: ReLU, 2: GELU on `a`
    pub(crate) activation: u32,
    pub(crate) alpha: f32,
}

impl Product {
    /// One plain product a replica.
    pub(crate) fn new(m: usize, k: usize, n: usize, replicas: usize) -> Product {
        Product {
            m,
            k,
            n,
            batches: 1,
            replicas,
            block: k,
            split: 0,
            add: false,
            activation: 0,
            alpha: 1.0,
        }
    }

    pub(crate) fn batches(self, batches: usize) -> Product {
        Product { batches, ..self }
    }

    pub(crate) fn added(self) -> Product {
        Product { add: true, ..self }
    }

    pub(crate) fn record(self, out: &mut Recorder, a: Matrix<'_>, b: Matrix<'_>, c: Matrix<'_>) {
        let mut words = Vec::with_capacity(33);
        for matrix in [&a, &b, &c] {
            words.extend(matrix.words());
        }
        let sizes = [
            self.m,
            self.n,
            self.k,
            self.block.max(1),
            self.batches,
            self.split,
        ];
        words.extend(sizes.map(|size| size as u32));
        words.extend([u32::from(self.add), self.activation, self.alpha.to_bits()]);
        let tiles = |size: usize| size.div_ceil(32) as u64;
        let grid = [
            tiles(self.n),
            tiles(self.m),
            (self.batches * self.replicas) as u64,
        ];
        out.dispatch(
            &grokrun_shaders::PRODUCT,
            &words,
            &[a.buffer, b.buffer, c.buffer],
            grid,
        );
    }
}
