//! Holds padded dimensions, and the parameter tensors as slices of the flat vector.

use grokrun_executor::{Activation, Parameter, Shape};

use super::buffer::{LINE, padded};

/// A shape with the padded widths of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    /// modulus, number of classes
    pub(crate) p: usize,
    /// d_model
    pub(crate) d: usize,
    pub(crate) heads: usize,
    /// d_head
    pub(crate) e: usize,
    /// d_mlp
    pub(crate) f: usize,
    /// d_mlp padded to whole cache lines
    pub(crate) fp: usize,
    /// p padded to whole cache lines
    pub(crate) cp: usize,
    /// the stride between rows of U′: fp and perhaps one more line
    pub(crate) fr: usize,
    /// the stride between rows of D′: cp and perhaps one more line
    pub(crate) cr: usize,
    /// 2p: the number of token rows without '='
    pub(crate) rows: usize,
    pub(crate) activation: Activation,
    pub(crate) trained_biases: bool,
}

impl Dims {
    pub(crate) fn new(s: &Shape) -> Dims {
        Dims {
            p: s.modulus,
            d: s.d_model,
            heads: s.heads,
            e: s.d_head,
            f: s.d_mlp,
            fp: padded(s.d_mlp),
            cp: padded(s.modulus),
            fr: pitch(s.d_mlp),
            cr: pitch(s.modulus),
            rows: 2 * s.modulus,
            activation: s.activation,
            trained_biases: s.trained_biases,
        }
    }

    /// Returns heads · d_head.
    pub(crate) fn he(&self) -> usize {
        self.heads * self.e
    }

    /// Returns the number of multiply-adds of one epoch over `n_train` and `n_test` pairs, which
    /// decides between one thread and many.
    pub(crate) fn work(&self, n_train: usize, n_test: usize) -> usize {
        let pair = self.f * self.p + 2 * self.heads * (self.f + self.p);
        let tables =
            self.rows * self.he() * (self.d + self.f + self.p) + 2 * self.d * self.f * self.p;
        (3 * n_train + n_test) * pair + 3 * tables
    }
}

/// Returns `len`, rounded up to an odd number of cache lines, so that the same columns of many rows
/// do not all fall into the same few sets of a cache.
fn pitch(len: usize) -> usize {
    ((padded(len) / LINE) | 1) * LINE
}

/// One item for each parameter tensor.
pub(crate) struct Tensors<T> {
    pub(crate) embed: T,
    pub(crate) pos: T,
    pub(crate) query: T,
    pub(crate) output: T,
    pub(crate) key: T,
    pub(crate) value: T,
    pub(crate) input: T,
    pub(crate) out: T,
    pub(crate) unembed: T,
    pub(crate) bias_in: T,
    pub(crate) bias_out: T,
}

impl<T> Tensors<T> {
    /// Takes the tensors one after another, in the order of the flat vector.
    fn from_lengths(s: &Shape, mut take: impl FnMut(usize) -> T) -> Tensors<T> {
        let mut next = |q: Parameter| take(q.len(s));
        // The fields are evaluated in the order written, which is that of `Parameter::ALL`.
        Tensors {
            embed: next(Parameter::Embed),
            pos: next(Parameter::PosEmbed),
            query: next(Parameter::Query),
            output: next(Parameter::Output),
            key: next(Parameter::Key),
            value: next(Parameter::Value),
            input: next(Parameter::In),
            out: next(Parameter::Out),
            unembed: next(Parameter::Unembed),
            bias_in: next(Parameter::BiasIn),
            bias_out: next(Parameter::BiasOut),
        }
    }
}

impl<'a> Tensors<&'a [f32]> {
    pub(crate) fn of(s: &Shape, mut flat: &'a [f32]) -> Tensors<&'a [f32]> {
        Tensors::from_lengths(s, |len| {
            let (tensor, rest) = flat.split_at(len);
            flat = rest;
            tensor
        })
    }
}

impl<'a> Tensors<&'a mut [f32]> {
    pub(crate) fn of_mut(s: &Shape, flat: &'a mut [f32]) -> Tensors<&'a mut [f32]> {
        let mut rest = Some(flat);
        Tensors::from_lengths(s, |len| {
            let (tensor, tail) = rest.take().unwrap_or_default().split_at_mut(len);
            rest = Some(tail);
            tensor
        })
    }
}
