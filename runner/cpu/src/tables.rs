//! Holds the folded tables and their gradients, padded to cache lines, and the packed operands that
//! are computed once an epoch. `fold`, `learn` and `unfold` fill them.

use super::buffer::Buffer;
use super::dims::Dims;
use super::product::Right;

/// The tables that [`fold`](super::fold::fold) computes from the parameters.
pub(crate) struct Tables {
    /// W_E + W_pos by row, `(2p + 1, d)`
    pub(crate) x: Buffer,
    /// `x[row] − x['=']`, `(2p, d)`
    pub(crate) xd: Buffer,
    /// q_h = x['='] W_Q, `(heads, e)`
    pub(crate) q: Buffer,
    /// W_K q_h, `(heads, d)`
    pub(crate) kq: Buffer,
    /// attention scores, `(2p + 1, heads)`
    pub(crate) scores: Buffer,
    /// x['='] W_V, `(heads, e)`
    pub(crate) v_eq: Buffer,
    /// x['='] + Σ_h v_eq_h W_O,h, `(d)`
    pub(crate) r: Buffer,
    /// c, `(fp)`
    pub(crate) neuron_base: Buffer,
    /// the rounding error of c in f32, `(fp)`
    pub(crate) neuron_base_low: Buffer,
    /// d, `(cp)`; −∞ in the padding, so that padded classes vanish from every softmax
    pub(crate) logit_base: Buffer,
    /// zeros, `(cp)`: no padded class may meet −∞ twice, and d needs no second part
    pub(crate) logit_base_low: Buffer,
    /// W_V with its heads side by side, `(d, heads · e)`, plain and packed
    pub(crate) value: Buffer,
    pub(crate) value_right: Right,
    /// W_in packed, `(d, f)`
    pub(crate) input_right: Right,
    /// W_U packed, `(d, p)`
    pub(crate) unembed_right: Right,
    /// memory for x['='], v_eq, r, c and d in f64
    pub(crate) wide: [Vec<f64>; 5],
    /// V′, `(2p, heads · e)`
    pub(crate) v: Buffer,
    /// W_O W_in by head, `(heads · e, fp)`
    pub(crate) ow: Buffer,
    /// W_O W_U by head, `(heads · e, cp)`
    pub(crate) ou: Buffer,
    /// U′, `(2p, heads, fr)`
    pub(crate) neuron_rows: Buffer,
    /// D′, `(2p, heads, cr)`
    pub(crate) logit_rows: Buffer,
    /// M = W_out W_U, `(f, cp)`
    pub(crate) m: Buffer,
    /// M packed, `(f, p)`
    pub(crate) m_right: Right,
    /// Mᵀ packed, `(p, f)`
    pub(crate) m_transposed: Right,
    /// by head: (W_O W_in)_h, `(e, fp)`, and (W_O W_U)_h, `(e, cp)`
    pub(crate) head_operands: Vec<[Right; 2]>,
}

impl Tables {
    pub(crate) fn new(dims: &Dims) -> Tables {
        let Dims {
            p,
            d,
            heads,
            e,
            f,
            fp,
            cp,
            fr,
            cr,
            rows,
            ..
        } = *dims;
        let mut logit_base = Buffer::zeros(cp);
        logit_base[p..].fill(f32::NEG_INFINITY);
        Tables {
            x: Buffer::zeros((rows + 1) * d),
            xd: Buffer::zeros(rows * d),
            q: Buffer::zeros(heads * e),
            kq: Buffer::zeros(heads * d),
            scores: Buffer::zeros((rows + 1) * heads),
            v_eq: Buffer::zeros(heads * e),
            r: Buffer::zeros(d),
            neuron_base: Buffer::zeros(fp),
            neuron_base_low: Buffer::zeros(fp),
            value: Buffer::zeros(d * heads * e),
            value_right: Right::zeros(d, heads * e),
            input_right: Right::zeros(d, f),
            unembed_right: Right::zeros(d, p),
            wide: [d, heads * e, d, f, p].map(|len| vec![0.0; len]),
            logit_base,
            logit_base_low: Buffer::zeros(cp),
            v: Buffer::zeros(rows * heads * e),
            ow: Buffer::zeros(heads * e * fp),
            ou: Buffer::zeros(heads * e * cp),
            neuron_rows: Buffer::zeros(rows * heads * fr),
            logit_rows: Buffer::zeros(rows * heads * cr),
            m: Buffer::zeros(f * cp),
            m_right: Right::zeros(f, p),
            m_transposed: Right::zeros(p, f),
            head_operands: vec![[Right::zeros(e, fp), Right::zeros(e, cp)]; heads],
        }
    }
}

/// Gradients of the folded tables, of the same shapes.
pub(crate) struct TableGradients {
    pub(crate) scores: Buffer,
    pub(crate) neuron_rows: Buffer,
    pub(crate) logit_rows: Buffer,
    pub(crate) neuron_base: Buffer,
    pub(crate) logit_base: Buffer,
    pub(crate) m: Buffer,
}

impl TableGradients {
    pub(crate) fn new(dims: &Dims) -> TableGradients {
        let Dims {
            heads,
            f,
            fp,
            cp,
            rows,
            ..
        } = *dims;
        TableGradients {
            scores: Buffer::zeros((rows + 1) * heads),
            neuron_rows: Buffer::zeros(rows * heads * fp),
            logit_rows: Buffer::zeros(rows * heads * cp),
            neuron_base: Buffer::zeros(fp),
            logit_base: Buffer::zeros(cp),
            m: Buffer::zeros(f * cp),
        }
    }
}
