//! Lowers the learn stage on the training pairs: forward, loss, and the gradients of the tables
//! (doc/model.md#backward).

use grokrun_executor::Shape;

use super::super::arena::SPLIT;
use super::super::plan::{Matrix, Product, Sum};
use super::Lowering;

impl Lowering<'_> {
    pub(super) fn learn(&mut self) {
        self.pairs(true);
        self.parts();
        self.token_sums();
    }

    /// Adds dM = act(pre)ᵀ g, dc = Σ dpre, dd = Σ g and ds_= = Σ ds, each in parts of `SPLIT`
    /// pairs.
    fn parts(&mut self) {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (t, n) = (self.tables, self.sizes.train);
        let mut level = Vec::new();
        for (part, first) in (0..n).step_by(SPLIT).enumerate() {
            let k = SPLIT.min(n - first);
            let [neurons, d_neurons, d_logits] =
                [t.neurons, t.d_neurons, t.d_logits].map(|x| Matrix::of(x).at_row(first));
            let to_eq = Matrix::of(t.d_pair_scores)
                .at_row(2)
                .at_four(first / 4)
                .every(3)
                .t();
            let m = Matrix::of(t.m_parts).at_row(part * f);
            level.push(Product::new(f, p, m).plus(k, neurons.t(), d_logits));
            for (width, parts, values) in [
                (f, t.neuron_base_parts, d_neurons),
                (p, t.logit_base_parts, d_logits),
                (heads, t.score_parts, to_eq),
            ] {
                let out = Matrix::of(parts).at_row(part);
                level.push(Product::new(1, width, out).plus(k, self.ones(), values));
            }
        }
        self.products(&level);
    }

    /// Adds the sums of the parts, in the order of the parts, and dU′, dD′ and ds of each token
    /// over its pairs.
    fn token_sums(&mut self) {
        let t = self.tables;
        let Shape { modulus, d_mlp, .. } = self.sizes.shape;
        let count = self.sizes.train.div_ceil(SPLIT);
        let rows = |values, out| Sum::Rows {
            values,
            weights: t.attention,
            out,
        };
        let eq = 2 * modulus * t.d_scores.vec4s();
        let mut level = vec![
            rows(t.d_neurons, t.d_neuron_rows),
            rows(t.d_logits, t.d_logit_rows),
            Sum::Scores {
                values: t.d_pair_scores,
                out: t.d_scores,
            },
        ];
        for (values, width, out, out_four) in [
            (t.m_parts, d_mlp * t.m_parts.vec4s(), t.d_m, 0),
            (
                t.neuron_base_parts,
                t.neuron_base_parts.vec4s(),
                t.d_neuron_base,
                0,
            ),
            (
                t.logit_base_parts,
                t.logit_base_parts.vec4s(),
                t.d_logit_base,
                0,
            ),
            (t.score_parts, t.score_parts.vec4s(), t.d_scores, eq),
        ] {
            level.push(Sum::Parts {
                values,
                count,
                width,
                out,
                out_four,
            });
        }
        self.sums(&level);
    }
}
