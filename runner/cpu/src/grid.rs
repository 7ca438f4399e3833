//! Computes a model's activations on the full grid of pairs, for analyses, on the threads of the
//! pool that the caller runs in.

use grokrun_executor::{EngineError, Sample, Shape};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::parallel::Bodies as _;

use super::TILE;
use super::dims::{Dims, Tensors};
use super::fold::fold;
use super::pass::Tile;
use super::tables::Tables;

/// Says which activations to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// attention from '='
    pub attention: bool,
    /// the neurons' inputs
    pub pre: bool,
    /// the neurons' outputs
    pub post: bool,
    /// the logits
    pub logits: bool,
}

/// Holds activations over all p² pairs, a-major; those that were not wanted are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activations {
    /// attention from '=' to a, b and '=', `(p², heads, 3)`
    pub attention: Vec<f32>,
    /// inputs of the neurons, `(p², d_mlp)`
    pub pre: Vec<f32>,
    /// outputs of the neurons, `(p², d_mlp)`
    pub post: Vec<f32>,
    /// logits, `(p², p)`
    pub logits: Vec<f32>,
}

/// Holds the memory to evaluate models of one shape.
pub struct GridPass {
    shape: Shape,
    dims: Dims,
    tables: Tables,
    samples: Vec<Sample>,
}

/// The number of pairs that a thread evaluates at a time.
const BLOCK: usize = 8 * TILE;

/// Holds the activations of some pairs, to be filled in; those that are not wanted are empty.
struct Block<'a> {
    samples: &'a [Sample],
    attention: &'a mut [f32],
    pre: &'a mut [f32],
    post: &'a mut [f32],
    logits: &'a mut [f32],
}

impl GridPass {
    /// Allocates the memory for models of this shape.
    pub fn new(shape: Shape) -> GridPass {
        let dims = Dims::new(&shape);
        let p = shape.modulus as u32;
        let sample = |i: u32| Sample {
            a: i / p,
            b: i % p,
            label: 0,
        };
        GridPass {
            shape,
            dims,
            tables: Tables::new(&dims),
            samples: (0..p * p).map(sample).collect(),
        }
    }

    /// Evaluates the model with these `parameters` (the flat vector of a state).
    ///
    /// # Errors
    /// When the number of parameters is not the shape's.
    pub fn run(&mut self, parameters: &[f32], wanted: Wanted) -> Result<Activations, EngineError> {
        let mut out = Activations::default();
        self.run_into(parameters, wanted, &mut out)?;
        Ok(out)
    }

    /// Computes the same as [`GridPass::run`], and reuses the memory of activations that are no
    /// longer needed.
    ///
    /// # Errors
    /// As for [`GridPass::run`]; `out` is then unchanged.
    pub fn run_into(
        &mut self,
        parameters: &[f32],
        wanted: Wanted,
        out: &mut Activations,
    ) -> Result<(), EngineError> {
        let want = self.shape.parameters();
        if parameters.len() != want {
            let got = parameters.len();
            return Err(EngineError::Data(format!(
                "there are {got} parameters; expected {want}, as many as the model has"
            )));
        }
        let GridPass {
            shape,
            dims,
            tables,
            samples,
        } = self;
        let resize = |part: &mut Vec<f32>, is: bool, width: usize| {
            // Old entries are overwritten. A vector that is too small is replaced instead of grown,
            // since growing would move its entries.
            let len = if is { samples.len() * width } else { 0 };
            if len > part.capacity() {
                *part = vec![0.0; len]
            } else {
                part.resize(len, 0.0)
            }
        };
        resize(&mut out.attention, wanted.attention, 3 * dims.heads);
        resize(&mut out.pre, wanted.pre, dims.f);
        resize(&mut out.post, wanted.post, dims.f);
        resize(&mut out.logits, wanted.logits, dims.p);
        Arch::new().dispatch(Pass {
            dims,
            weights: Tensors::of(shape, parameters),
            tables,
            samples,
            out,
        });
        Ok(())
    }
}

struct Pass<'a> {
    dims: &'a Dims,
    weights: Tensors<&'a [f32]>,
    tables: &'a mut Tables,
    samples: &'a [Sample],
    out: &'a mut Activations,
}

impl WithSimd for Pass<'_> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        let Pass {
            dims,
            weights,
            tables,
            samples,
            out,
        } = self;
        fold(simd, dims, &weights, tables, usize::MAX);
        let tables = &*tables;
        let Activations {
            attention,
            pre,
            post,
            logits,
        } = out;
        let [mut attention, mut pre, mut post, mut logits] =
            [attention, pre, post, logits].map(|part| (part.len() / samples.len(), &mut part[..]));
        let mut blocks: Vec<Block<'_>> = samples
            .chunks(BLOCK)
            .map(|samples| Block {
                samples,
                attention: cut(&mut attention, samples.len()),
                pre: cut(&mut pre, samples.len()),
                post: cut(&mut post, samples.len()),
                logits: cut(&mut logits, samples.len()),
            })
            .collect();
        blocks
            .par_iter_mut()
            .each_with(&|| Tile::new(dims, true), &|tile, block| {
                vectorized!(simd, block.fill(simd, dims, tables, tile))
            });
    }
}

/// Returns the next `rows` rows of the rest of a part, whose rows have the given width.
fn cut<'a>((width, left): &mut (usize, &'a mut [f32]), rows: usize) -> &'a mut [f32] {
    left.split_off_mut(..rows * *width).unwrap_or_default()
}

impl Block<'_> {
    #[inline(always)]
    fn fill<S: Simd>(&mut self, simd: S, dims: &Dims, tables: &Tables, tile: &mut Tile) {
        let Dims {
            p,
            heads,
            f,
            fr,
            cp,
            ..
        } = *dims;
        for (i, samples) in self.samples.chunks(TILE).enumerate() {
            tile.forward(simd, dims, tables, samples);
            let rows = |width: usize| {
                let from = i * TILE * width;
                from..from + samples.len() * width
            };
            if let Some(attention) = self.attention.get_mut(rows(3 * heads)) {
                let [to_a, to_b, to_eq] = &tile.attention;
                for (at, attention) in attention.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    *attention = [to_a[at], to_b[at], to_eq[at]];
                }
            }
            if let Some(pre) = &tile.pre {
                copy_rows(self.pre.get_mut(rows(f)), f, pre, fr);
            }
            copy_rows(self.post.get_mut(rows(f)), f, &tile.post, fr);
            copy_rows(self.logits.get_mut(rows(p)), p, &tile.logits, cp);
        }
    }
}

/// Fills rows of `width` entries from the rows of a wider table, if they are wanted.
#[inline(always)]
fn copy_rows(to: Option<&mut [f32]>, width: usize, from: &[f32], wide: usize) {
    for (to, from) in to
        .into_iter()
        .flat_map(|to| to.chunks_exact_mut(width))
        .zip(from.chunks(wide))
    {
        to.copy_from_slice(&from[..width]);
    }
}
