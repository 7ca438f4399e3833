//! Records the fold: one layer without normalisation, whose tables are computed once for each token
//! where possible.
//!
//! Owns the derivation. Only the last position is read, and its attention weights sum to 1, so with
//! `x'ᵢ = xᵢ − x₌` the value of '=' leaves the sum and its row is added once:
//!
//! ```text
//! V'ᵢₕ = x'ᵢ W_Vₕ                        a row for each token of operand i
//! U'ᵢₕ = V'ᵢₕ (W_O W_in)ₕ                what operand i adds to the neurons through head h
//! D'ᵢₕ = V'ᵢₕ (W_O W_U)ₕ                 what it adds to the logits
//! r    = x₌ + (x₌ W_V + b_V) W_O + b_O   the stream where nothing but '=' is attended to
//! c    = r W_in + b_in,   d = r W_U + b_out W_U + b_U,   M = W_out W_U
//! pre    = c + Σᵢₕ Aᵢₕ U'ᵢₕ[tokenᵢ]
//! logits = d + Σᵢₕ Aᵢₕ D'ᵢₕ[tokenᵢ] + act(pre) M
//! ```
//!
//! Here A is the softmax over the operands and '='. The program computes the same function as the
//! one that `plain` records, with nine times fewer operations for the published model. The backward
//! stage is recorded by the same rules as for any program. An executor that has a fused pass for
//! the fold recognises it by comparing a program with this one.

use crate::architecture::{Architecture, Attention, Model, Norm, Pattern, Transformer};
use crate::builder::{Builder, cols, term};
use crate::loss::Loss;
use crate::op::{Factors, Op, Term, Write};
use crate::plain::{RecordError, embed, unembedding};
use crate::program::Program;
use crate::table::{Extent, Part, View};

/// Records the folded forward program, or returns `None` if the architecture does not fold.
///
/// # Errors
/// Returns what the architecture or the loss lacks.
pub fn folded(architecture: &Architecture, loss: &Loss) -> Result<Option<Program>, RecordError> {
    loss.check()?;
    architecture.check()?;
    let Some((model, attention)) = foldable(architecture) else {
        return Ok(None);
    };
    let mut fold = Fold {
        b: Builder::new(architecture)?,
        a: architecture,
        t: model,
        attention,
    };
    let logits = fold.record();
    Ok(Some(fold.b.finish(logits, *loss)))
}

/// Returns the attention of the only layer, if the model folds.
fn foldable(a: &Architecture) -> Option<(&Transformer, &Attention)> {
    let Model::Transformer(model) = &a.model else {
        return None;
    };
    let [block] = model.blocks.as_slice() else {
        return None;
    };
    let attention = block.attention.as_ref()?;
    let folds =
        model.separator && model.norm == Norm::None && attention.pattern == Pattern::Softmax;
    folds.then_some((model, attention))
}

struct Fold<'a> {
    b: Builder,
    a: &'a Architecture,
    t: &'a Transformer,
    attention: &'a Attention,
}

impl Fold<'_> {
    fn record(&mut self) -> View {
        let mut streams = embed(&mut self.b, self.a, self.t);
        let Some(separator) = streams.pop() else {
            unreachable!("there is '='");
        };
        let pattern = self.pattern(&streams, separator);
        let values: Vec<View> = streams
            .iter()
            .enumerate()
            .map(|(i, x)| self.values(i, *x, separator))
            .collect();
        let stream = self.stream(separator);
        let w_u = unembedding(&self.b, self.a, self.t);
        let w_o = self.weight("attn.W_O");

        let base = self
            .b
            .table("logit_base".into(), Extent::Once(1), self.a.classes);
        let b_out = self.bias("mlp.b_out");
        let factors = [stream].into_iter().chain(b_out);
        let factors = factors.map(|left| Factors { left, right: w_u });
        self.b.multiply(base, 1.0, factors.collect());
        let b_u = self.b.optional("unembed.b_U");
        self.b.accumulate(base, b_u.as_slice());
        let ou = self.b.product("ou".into(), w_o, w_u, &[]);
        let mut terms = self.rows("logit_rows", &values, ou, pattern);
        terms.insert(0, term(base));

        let Some(neurons) = self.t.blocks[0].mlp else {
            let logits = self.samples("logits", self.a.classes);
            self.b.add(logits, 1, terms, 0.0);
            return logits;
        };
        let [w_in, w_out] = ["mlp.W_in", "mlp.W_out"].map(|name| self.weight(name));
        let b_in = self.bias("mlp.b_in");
        let neuron_base = self
            .b
            .product("neuron_base".into(), stream, w_in, b_in.as_slice());
        let ow = self.b.product("ow".into(), w_o, w_in, &[]);
        let mut neuron_terms = self.rows("neuron_rows", &values, ow, pattern);
        neuron_terms.insert(0, term(neuron_base));
        let neuron_logit = self.b.product("neuron_logit".into(), w_out, w_u, &[]);

        let pre = self.samples("pre", neurons.width);
        self.b.add(pre, 1, neuron_terms, 0.0);
        let post = self.b.activate("post".into(), pre, neurons.activation);
        let logits = self.b.product("logits".into(), post, neuron_logit, &[]);
        self.b.push(Op::Add {
            out: logits,
            write: Write::Add,
            heads: 1,
            terms,
            constant: 0.0,
        });
        logits
    }

    fn weight(&self, name: &str) -> View {
        self.b.parameter(&format!("blocks.0.{name}"))
    }

    fn bias(&self, name: &str) -> Option<View> {
        self.b.optional(&format!("blocks.0.{name}"))
    }

    fn samples(&mut self, name: &str, cols: usize) -> View {
        self.b.table(name.into(), Extent::Sample(Part::Train), cols)
    }

    /// Records x W_h for each head, side by side, with the bias if asked for.
    fn project(&mut self, name: String, which: &str, x: View, bias: bool) -> View {
        let (heads, e, d) = (self.attention.heads, self.attention.d_head, self.t.d_model);
        let weight = self.weight(&format!("attn.W_{which}"));
        let out = self.b.table(name, x.height(), heads * e);
        for head in 0..heads {
            let right = weight.rows(head * d, d);
            let factors = vec![Factors { left: x, right }];
            self.b.multiply(out.columns(head * e, e), 1.0, factors);
        }
        if bias {
            let bias = self.bias(&format!("attn.b_{which}"));
            self.b.accumulate(out, bias.as_slice());
        }
        out
    }

    /// Records the attention weights of the last position, `(samples, keys · heads)`.
    fn pattern(&mut self, operands: &[View], separator: View) -> View {
        let heads = self.attention.heads;
        let query = self.project("q".into(), "Q", separator, true);
        let keys: Vec<View> = operands.iter().copied().chain([separator]).collect();
        let width = keys.len() * heads;
        let scores = self.samples("scores", width);
        for (number, x) in keys.into_iter().enumerate() {
            let key = self.project(format!("k.{number}"), "K", x, true);
            let score = self.b.table(format!("score.{number}"), x.height(), heads);
            self.b.push(Op::Dot {
                out: score,
                write: Write::Set,
                heads,
                left: query,
                right: key,
                scale: 1.0 / (self.attention.d_head as f64).sqrt(),
            });
            let block = scores.columns(number * heads, heads);
            self.b.add(block, 1, vec![term(score)], 0.0);
        }
        let pattern = self.samples("pattern", width);
        self.b.push(Op::Softmax {
            out: pattern,
            scores,
            heads,
        });
        pattern
    }

    /// Records V'ᵢ. The bias of the values is subtracted with the value of '='.
    fn values(&mut self, operand: usize, x: View, separator: View) -> View {
        let apart = self
            .b
            .table(format!("apart.{operand}"), x.height(), cols(x));
        let less = Term {
            scale: -1.0,
            ..term(separator)
        };
        self.b.add(apart, 1, vec![term(x), less], 0.0);
        self.project(format!("v.{operand}"), "V", apart, false)
    }

    /// Records r.
    fn stream(&mut self, separator: View) -> View {
        let value = self.project("v.separator".into(), "V", separator, true);
        let bias = self.bias("attn.b_O");
        let others: Vec<View> = bias.into_iter().chain([separator]).collect();
        let w_o = self.weight("attn.W_O");
        self.b.product("stream".into(), value, w_o, &others)
    }

    /// Records V'ᵢₕ times the rows of head h of a folded matrix, for every operand and head.
    /// Returns the terms that a sample looks up in the products, each with its attention weight.
    fn rows(&mut self, name: &str, values: &[View], matrix: View, pattern: View) -> Vec<Term> {
        let (heads, e, width) = (self.attention.heads, self.attention.d_head, cols(matrix));
        let mut terms = Vec::new();
        for (operand, values) in values.iter().enumerate() {
            let name = format!("{name}.{operand}");
            let rows = self.b.table(name, values.height(), heads * width);
            for head in 0..heads {
                let out = rows.columns(head * width, width);
                let factors = Factors {
                    left: values.columns(head * e, e),
                    right: matrix.rows(head * e, e),
                };
                self.b.multiply(out, 1.0, vec![factors]);
                terms.push(Term {
                    values: out,
                    weights: Some(pattern.columns(operand * heads + head, 1)),
                    scale: 1.0,
                });
            }
        }
        terms
    }
}

#[cfg(test)]
mod tests;
