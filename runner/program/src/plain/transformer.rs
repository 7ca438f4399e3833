//! Records a transformer, position by position.
//!
//! Owns attention, neurons and normalisations as operations. The stream of a position is one table;
//! the table's extent says what the position has seen so far.

use crate::architecture::{
    Architecture, Attention, Block, Mask, Neurons, Norm, Pattern, Transformer,
};
use crate::builder::{Builder, cols, term};
use crate::op::{Factors, Op, Term, Write};
use crate::table::{Extent, Part, View};

/// The number that is added to a variance before the square root.
const EPSILON: f64 = 1e-5;

/// Records the model and returns the logits of the last position.
pub(super) fn record(b: &mut Builder, a: &Architecture, t: &Transformer) -> View {
    let mut streams = embed(b, a, t);
    let last = streams.len() - 1;
    for (number, block) in t.blocks.iter().enumerate() {
        // After the last block that attends, the other positions are not read.
        let attends_later = t.blocks[number + 1..].iter().any(|b| b.attention.is_some());
        let first = if attends_later { 0 } else { last };
        let mut recorder = Recorder {
            b,
            t,
            positions: a.positions(),
            name: format!("blocks.{number}"),
        };
        streams = recorder.block(block, &streams, first);
    }
    let mut stream = streams[streams.len() - 1];
    if t.norm == Norm::Pre {
        stream = normalise(b, "ln_final", "ln_final", stream);
    }
    let unembedding = unembedding(b, a, t);
    let bias = b.optional("unembed.b_U");
    // A model that reads one token alone still has a logit row for each sample.
    let extent = Extent::Sample(Part::Train);
    if stream.height() != extent {
        let gathered = b.table("final".into(), extent, cols(stream));
        b.add(gathered, 1, vec![term(stream)], 0.0);
        stream = gathered;
    }
    b.product("logits".into(), stream, unembedding, bias.as_slice())
}

/// Returns W_U, or the transposed embedding of the operands' tokens.
pub(crate) fn unembedding(b: &Builder, a: &Architecture, t: &Transformer) -> View {
    if t.tied {
        b.parameter("embed.W_E").rows(0, a.tokens).t()
    } else {
        b.parameter("unembed.W_U")
    }
}

/// Records `x = W_E[token] + W_pos[position]` for each position.
pub(crate) fn embed(b: &mut Builder, a: &Architecture, t: &Transformer) -> Vec<View> {
    let (embedding, positions) = (b.parameter("embed.W_E"), b.parameter("pos_embed.W_pos"));
    let mut streams = Vec::new();
    for position in 0..a.positions() {
        let rows = if position < a.operands {
            embedding.rows_as(0, Extent::Token(position))
        } else {
            embedding.rows(a.tokens, 1)
        };
        let stream = b.table(format!("embed.{position}"), rows.height(), t.d_model);
        let terms = vec![term(rows), term(positions.rows(position, 1))];
        b.add(stream, 1, terms, 0.0);
        streams.push(stream);
    }
    streams
}

/// Records (x − mean) / deviation · w + b.
fn normalise(b: &mut Builder, name: &str, parameters: &str, x: View) -> View {
    let width = cols(x);
    let out = b.table(format!("{name}.normed"), x.height(), width);
    let inverse = b.table(format!("{name}.inverse"), x.height(), 1);
    b.push(Op::Norm {
        out,
        inverse,
        input: x,
        epsilon: EPSILON,
    });
    let [weight, bias] = ["w", "b"].map(|p| b.parameter(&format!("{parameters}.{p}")));
    let y = b.table(name.into(), x.height(), width);
    let weighted = Term {
        weights: Some(weight),
        ..term(out)
    };
    // With one head for each column, each column has its own weight.
    b.add(y, width, vec![weighted, term(bias)], 0.0);
    y
}

/// Records one block.
struct Recorder<'a> {
    b: &'a mut Builder,
    t: &'a Transformer,
    /// the model's number of positions
    positions: usize,
    /// the prefix of the names of tables and parameters: `blocks.0` and so on
    name: String,
}

impl Recorder<'_> {
    /// Records the block. Returns the streams from `first` on; later blocks read no others.
    fn block(&mut self, block: &Block, streams: &[View], first: usize) -> Vec<View> {
        let mut streams = streams.to_vec();
        if let Some(attention) = &block.attention {
            streams = self.attention(attention, &streams, first);
        } else {
            streams.drain(..first.min(streams.len() - 1));
        }
        if let Some(neurons) = &block.mlp {
            let offset = self.offset(&streams);
            streams = streams
                .iter()
                .enumerate()
                .map(|(i, x)| self.neurons(neurons, *x, offset + i))
                .collect();
        }
        streams
    }

    /// Returns the position of the first of these streams; the last stream is the last position's.
    fn offset(&self, streams: &[View]) -> usize {
        self.positions - streams.len()
    }

    fn path(&self, part: &str, position: usize) -> String {
        format!("{}.{part}.{position}", self.name)
    }

    fn parameter(&self, name: &str) -> View {
        self.b.parameter(&format!("{}.{name}", self.name))
    }

    fn bias(&self, name: &str) -> Option<View> {
        self.b.optional(&format!("{}.{name}", self.name))
    }

    /// Returns the input of a layer: the stream, normalised if norms come before layers.
    fn input(&mut self, norm: &str, x: View, position: usize) -> View {
        match self.t.norm {
            Norm::Pre => {
                let name = self.path(norm, position);
                normalise(self.b, &name, &format!("{}.{norm}", self.name), x)
            }
            Norm::None | Norm::Post => x,
        }
    }

    /// Returns the output of a layer: the sum, normalised if norms come after layers.
    fn output(&mut self, norm: &str, x: View, position: usize) -> View {
        match self.t.norm {
            Norm::Post => {
                let name = self.path(norm, position);
                normalise(self.b, &name, &format!("{}.{norm}", self.name), x)
            }
            Norm::None | Norm::Pre => x,
        }
    }

    fn attention(&mut self, attention: &Attention, streams: &[View], first: usize) -> Vec<View> {
        let scores = attention.pattern != Pattern::Uniform;
        let offset = self.offset(streams);
        let inputs: Vec<View> = streams
            .iter()
            .enumerate()
            .map(|(i, x)| self.input("ln1", *x, offset + i))
            .collect();
        let project = |recorder: &mut Self, which: &str, from: usize| -> Vec<View> {
            inputs
                .iter()
                .enumerate()
                .skip(from)
                .map(|(i, x)| recorder.project(attention, which, *x, offset + i))
                .collect()
        };
        let values = project(self, "V", 0);
        let (keys, queries) = if scores {
            (project(self, "K", 0), project(self, "Q", first))
        } else {
            (Vec::new(), Vec::new())
        };
        (first..streams.len())
            .map(|i| {
                let seen = match self.t.mask {
                    Mask::Causal => i + 1,
                    Mask::None => streams.len(),
                };
                let query = queries.get(i - first).copied();
                let position = offset + i;
                let z = self.mix(attention, query, &keys, &values[..seen], position);
                let x = self.residual(z, streams[i], position);
                self.output("ln1", x, position)
            })
            .collect()
    }

    /// Records x W_h for each head, side by side, and its bias.
    fn project(&mut self, attention: &Attention, which: &str, x: View, position: usize) -> View {
        let (heads, e, d) = (attention.heads, attention.d_head, self.t.d_model);
        let weight = self.parameter(&format!("attn.W_{which}"));
        let name = self.path(&format!("attn.{}", which.to_lowercase()), position);
        let out = self.b.table(name, x.height(), heads * e);
        for head in 0..heads {
            let factors = Factors {
                left: x,
                right: weight.rows(head * d, d),
            };
            self.b
                .multiply(out.columns(head * e, e), 1.0, vec![factors]);
        }
        let bias = self.bias(&format!("attn.b_{which}"));
        self.b.accumulate(out, bias.as_slice());
        out
    }

    /// Records z = Σ of weight times value, over the positions that are seen.
    fn mix(
        &mut self,
        attention: &Attention,
        query: Option<View>,
        keys: &[View],
        values: &[View],
        position: usize,
    ) -> View {
        let weights = query.map(|q| self.weights(attention, q, &keys[..values.len()], position));
        let seen = values.iter().map(View::height);
        let seen = seen.chain(weights.iter().map(View::height));
        let extent = seen.fold(Extent::Once(1), |all, x| all.join(x, Part::Train));
        let (heads, e) = (attention.heads, attention.d_head);
        let z = self
            .b
            .table(self.path("attn.z", position), extent, heads * e);
        let scale = match weights {
            Some(_) => 1.0,
            None => 1.0 / values.len() as f64,
        };
        let terms = values.iter().enumerate().map(|(key, values)| Term {
            values: *values,
            weights: weights.map(|w| w.columns(key * heads, heads)),
            scale,
        });
        let terms = terms.collect();
        self.b.add(z, heads, terms, 0.0);
        z
    }

    /// Records the weights of the keys that are seen, `(rows, keys · heads)`.
    fn weights(
        &mut self,
        attention: &Attention,
        query: View,
        keys: &[View],
        position: usize,
    ) -> View {
        let heads = attention.heads;
        let scale = 1.0 / (attention.d_head as f64).sqrt();
        let extent = |key: &View| query.height().join(key.height(), Part::Train);
        let rows = keys.iter().fold(query.height(), |all, key| {
            all.join(key.height(), Part::Train)
        });
        let width = keys.len() * heads;
        let scores = self
            .b
            .table(self.path("attn.scores", position), rows, width);
        for (number, key) in keys.iter().enumerate() {
            let block = scores.columns(number * heads, heads);
            // A score of fewer rows is computed at that extent and then looked up.
            let out = if extent(key) == rows {
                block
            } else {
                let name = self.path(&format!("attn.score.{number}"), position);
                self.b.table(name, extent(key), heads)
            };
            self.b.push(Op::Dot {
                out,
                write: Write::Set,
                heads,
                left: query,
                right: *key,
                scale,
            });
            if out != block {
                self.b.add(block, 1, vec![term(out)], 0.0);
            }
        }
        let pattern = self
            .b
            .table(self.path("attn.pattern", position), rows, width);
        self.b.push(Op::Softmax {
            out: pattern,
            scores,
            heads,
        });
        let Pattern::Rate(rate) = attention.pattern else {
            return pattern;
        };
        let mixed = self.b.table(self.path("attn.rate", position), rows, width);
        let scaled = Term {
            scale: rate,
            ..term(pattern)
        };
        self.b.add(mixed, 1, vec![scaled], 1.0 - rate);
        mixed
    }

    /// Records z W_O + b_O + x.
    fn residual(&mut self, z: View, x: View, position: usize) -> View {
        let weight = self.parameter("attn.W_O");
        let others: Vec<View> = self.bias("attn.b_O").into_iter().chain([x]).collect();
        let name = self.path("resid_mid", position);
        self.b.product(name, z, weight, &others)
    }

    /// Records x + act(x W_in + b_in) W_out + b_out.
    fn neurons(&mut self, neurons: &Neurons, x: View, position: usize) -> View {
        let input = self.input("ln2", x, position);
        let [w_in, w_out] = ["mlp.W_in", "mlp.W_out"].map(|name| self.parameter(name));
        let [b_in, b_out] = ["mlp.b_in", "mlp.b_out"].map(|name| self.bias(name));
        let pre = self.path("mlp.pre", position);
        let pre = self.b.product(pre, input, w_in, b_in.as_slice());
        let post = self.path("mlp.post", position);
        let post = self.b.activate(post, pre, neurons.activation);
        let others: Vec<View> = b_out.into_iter().chain([x]).collect();
        let name = self.path("resid_post", position);
        let sum = self.b.product(name, post, w_out, &others);
        self.output("ln2", sum, position)
    }
}
