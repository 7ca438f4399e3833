//! The training pairs: forward, loss, and the gradients of the tables.

use grokrun_shaders::{ATTEND_GRAD, ROW_SUMS, SLOPE};

use super::super::buffers::SPLIT;
use super::super::product::{Matrix, Product};
use super::{Lowering, Tall, groups, linear};
use crate::EngineError;
use crate::shape::Shape;

impl Lowering<'_> {
    pub(super) fn learn(&mut self) -> Result<(), EngineError> {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (n, parts, rows, b) = (
            self.sizes.train,
            self.sizes.parts(),
            2 * self.sizes.shape.modulus,
            self.buffers,
        );
        self.forward(&b.train, &b.train_results, n, 0, n, 1.0 / n as f32);
        self.metrics(&b.train_results, n, 0);
        // dM = act(pre)ᵀ g, in parts that are added up in their order
        let pre = Matrix::rows(&b.pre, f, n * f);
        let g = Matrix::rows(&b.logits, p, n * p);
        let m = Matrix::rows(&b.m, p, f * p);
        let product = Product {
            activation: self.activation(),
            split: SPLIT,
            ..self.product(f, n, p)
        };
        self.record(
            product.batches(parts),
            pre.t(),
            g,
            Matrix::rows(&b.m_parts, p, parts * f * p).each(f * p),
        );
        let all_parts = Tall {
            buffer: &b.m_parts,
            rows: parts,
            width: f * p,
            stride: f * p,
            first: 0,
            replica: parts * f * p,
        };
        self.sum(all_parts, &b.d_m, 0, f * p)?;
        // dpre = (g Mᵀ) ∘ act′(pre)
        self.record(
            self.product(n, p, f),
            g,
            m.t(),
            Matrix::rows(&b.d_pre, f, n * f),
        );
        let count = self.sizes.replicas * n * f;
        let words = [count as u32, self.activation()];
        let [x, y] = linear(count);
        self.out
            .dispatch(&SLOPE, &words, &[&b.pre, &b.d_pre], [x, y, 1]);
        // the scores, U′, D′, c and d
        let buffers = [
            &b.train,
            &b.attention,
            &b.neuron_rows,
            &b.logit_rows,
            &b.d_pre,
            &b.logits,
            &b.d_attention,
        ];
        self.dispatch(&ATTEND_GRAD, &[p, heads, f, n], &buffers, groups(n));
        for (width, values, out) in [
            (f, &b.d_pre, &b.d_neuron_rows),
            (p, &b.logits, &b.d_logit_rows),
        ] {
            let words = [p, heads, n, width, rows * heads * width, 0];
            let grid = [width.div_ceil(64) as u64, (rows * heads) as u64];
            self.dispatch(
                &ROW_SUMS,
                &words,
                &[&b.starts, &b.lists, &b.attention, values, out],
                grid,
            );
        }
        let words = [p, heads, n, 1, (rows + 1) * heads, 1];
        let buffers = [
            &b.starts,
            &b.lists,
            &b.d_attention,
            &b.d_attention,
            &b.d_scores,
        ];
        self.dispatch(&ROW_SUMS, &words, &buffers, [1, (rows * heads) as u64]);
        let to_eq = Tall {
            buffer: &b.d_attention,
            rows: n,
            width: heads,
            stride: 3 * heads,
            first: 2 * heads,
            replica: n * 3 * heads,
        };
        self.sum(to_eq, &b.d_scores, rows * heads, (rows + 1) * heads)?;
        let of_neurons = Tall {
            buffer: &b.d_pre,
            rows: n,
            width: f,
            stride: f,
            first: 0,
            replica: n * f,
        };
        self.sum(of_neurons, &b.d_neuron_base, 0, f)?;
        let of_logits = Tall {
            buffer: &b.logits,
            rows: n,
            width: p,
            stride: p,
            first: 0,
            replica: n * p,
        };
        self.sum(of_logits, &b.d_logit_base, 0, p)
    }
}
