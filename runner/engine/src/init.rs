//! Initial weights: which tensor is drawn when, and how widely. The random numbers themselves are
//! `grokrun_task`'s.

use grokrun_task::torch::Generator;

use crate::shape::{Parameter, Shape};

/// How the initial weights are drawn. Biases always start at zero and draw nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InitScheme {
    /// As TransformerLens 1.13 to 3.9 after `torch.manual_seed(seed)`, bit for bit: every weight
    /// normal with deviation 0.8 / √d_model, in `named_parameters` order, where W_O comes before
    /// W_K (doc/published.md#the-demo)
    TransformerLens,
    /// As TransformerLens before 1.13: the same deviation, W_Q, W_K, W_V, W_O
    TransformerLensLegacy,
    /// As the code of the paper (Nanda et al. 2023; doc/published.md#the-paper): standard normals
    /// divided by √d_model, W_U by the root of its vocabulary, p + 1; drawn in the order and in the
    /// layout of that code. It set no seed, so no run of it can be reproduced.
    Paper,
}

/// The flat parameter vector of epoch 0, in the order of [`Parameter::ALL`].
pub fn initial_parameters(shape: &Shape, scheme: InitScheme, seed: i64) -> Vec<f32> {
    let mut generator = Generator::new(seed);
    let mut flat = vec![0.0; shape.parameters()];
    match scheme {
        InitScheme::TransformerLens => draw(&mut generator, shape, &mut flat, &TRANSFORMER_LENS),
        InitScheme::TransformerLensLegacy => draw(&mut generator, shape, &mut flat, &LEGACY),
        InitScheme::Paper => draw_paper(&mut generator, shape, &mut flat),
    }
    flat
}

use Parameter::{Embed, In, Key, Out, Output, PosEmbed, Query, Unembed, Value};

const TRANSFORMER_LENS: [Parameter; 9] =
    [Embed, PosEmbed, Query, Output, Key, Value, In, Out, Unembed];
const LEGACY: [Parameter; 9] = [Embed, PosEmbed, Query, Key, Value, Output, In, Out, Unembed];
const PAPER: [Parameter; 9] = [Embed, PosEmbed, Key, Query, Value, Output, In, Out, Unembed];

fn draw(generator: &mut Generator, shape: &Shape, flat: &mut [f32], order: &[Parameter; 9]) {
    let deviation = 0.8 / (shape.d_model as f64).sqrt();
    for parameter in order {
        generator.normal(&mut flat[parameter.range(shape)], 0.0, deviation);
    }
}

/// The paper's code keeps W_E, W_K, W_Q, W_V, W_O, W_in and W_out transposed to TransformerLens'
/// layout, and W_U with a column for '=' that no label ever is: drawn, then left out.
fn draw_paper(generator: &mut Generator, shape: &Shape, flat: &mut [f32]) {
    let Shape {
        modulus: p,
        d_model: d,
        heads,
        d_head: e,
        d_mlp: f,
        ..
    } = *shape;
    for parameter in PAPER {
        let out = &mut flat[parameter.range(shape)];
        let (rows, cols, scale) = match parameter {
            Embed => (d, p + 1, d),
            PosEmbed => (3, d, d),
            Key | Query | Value => (heads * e, d, d),
            Output => (d, heads * e, d),
            In => (f, d, d),
            Out => (d, f, d),
            _ => (d, p + 1, p + 1),
        };
        let mut drawn = vec![0.0; rows * cols];
        generator.normal(&mut drawn, 0.0, 1.0);
        let root = (scale as f64).sqrt() as f32;
        let at = |row: usize, col: usize| drawn[row * cols + col] / root;
        match parameter {
            PosEmbed => fill(out, d, at),
            // (heads, e, d) there, (heads, d, e) here
            Key | Query | Value => {
                for (h, out) in out.chunks_exact_mut(d * e).enumerate() {
                    fill(out, e, |row, col| at(h * e + col, row));
                }
            }
            Unembed => fill(out, p, at),
            _ => fill(out, rows, |row, col| at(col, row)),
        }
    }
}

/// Fills a row-major matrix of `width` columns.
fn fill(out: &mut [f32], width: usize, at: impl Fn(usize, usize) -> f32) {
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        for (col, x) in out.iter_mut().enumerate() {
            *x = at(row, col);
        }
    }
}
