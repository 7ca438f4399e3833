//! The arena: every table of a batch in one storage buffer, so that one kernel serves products of
//! any of them in one dispatch. Each replica has a part of it, alike in all; a table's rows are
//! padded with zeros to whole vec4s, which is what kernels read and write at once.

use grokrun_executor::{Parameter, Shape};

/// Training pairs in one part of a sum over all of them.
pub(crate) const SPLIT: usize = 256;
/// Vec4s after the last replica, which a tile at the edge of a table may read and throw away.
pub(crate) const SLACK: usize = 64;

/// A table in a replica's part: where it starts, in vec4s, and its `(rows, cols)` numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Place {
    /// Vec4s from row to row.
    pub(crate) fn vec4s(&self) -> usize {
        self.cols.div_ceil(4)
    }

    /// Vec4s of the whole table.
    pub(crate) fn len(&self) -> usize {
        self.rows.saturating_mul(self.vec4s())
    }

    /// The table as it lies in the arena.
    pub(crate) fn pad(&self, numbers: &[f32], padded: &mut [f32]) {
        let (wide, cols) = (4 * self.vec4s(), self.cols);
        for (row, out) in numbers
            .chunks_exact(cols)
            .zip(padded.chunks_exact_mut(wide))
        {
            out[..cols].copy_from_slice(row);
        }
    }

    /// The table without its padding.
    pub(crate) fn strip(&self, padded: &[f32]) -> Vec<f32> {
        let rows = padded.chunks_exact(4 * self.vec4s());
        rows.flat_map(|row| &row[..self.cols]).copied().collect()
    }
}

/// Where the parameter tensors lie in a vector of all of them: the flat vector's order, padded.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// from the vector's start, as [`Parameter::ALL`]
    places: Vec<Place>,
    /// vec4s of the whole vector
    pub(crate) len: usize,
    /// vec4s, from the start, that the optimizer updates
    pub(crate) trained: usize,
}

impl Vector {
    fn new(shape: &Shape) -> Vector {
        let mut next = Next::default();
        let places: Vec<Place> = Parameter::ALL
            .iter()
            .map(|parameter| {
                let dims = parameter.shape(shape);
                let (cols, rows) = dims.split_last().unwrap_or((&1, &[]));
                next.table(rows.iter().fold(1, |a, b| a.saturating_mul(*b)), *cols)
            })
            .collect();
        let biases = places[Parameter::ALL.len() - 2].first;
        Vector {
            trained: if shape.trained_biases { next.0 } else { biases },
            len: next.0,
            places,
        }
    }

    /// A tensor's place in the vector.
    pub(crate) fn place(&self, parameter: Parameter) -> Place {
        // ALL has every parameter.
        let index = Parameter::ALL.iter().position(|q| *q == parameter);
        self.places[index.unwrap_or(0)]
    }

    /// The flat vector with its padding, `(4 len)`.
    pub(crate) fn pad(&self, flat: &[f32]) -> Vec<f32> {
        let mut padded = vec![0.0; 4 * self.len];
        let mut flat = flat;
        for place in &self.places {
            let (own, rest) = flat.split_at(place.rows * place.cols);
            place.pad(own, &mut padded[4 * place.first..][..4 * place.len()]);
            flat = rest;
        }
        padded
    }

    /// The flat vector without its padding.
    pub(crate) fn strip(&self, padded: &[f32]) -> Vec<f32> {
        let of = |place: &Place| place.strip(&padded[4 * place.first..][..4 * place.len()]);
        self.places.iter().flat_map(of).collect()
    }
}

/// Lays tables out one after another.
#[derive(Default)]
struct Next(usize);

impl Next {
    fn table(&mut self, rows: usize, cols: usize) -> Place {
        let place = Place {
            first: self.0,
            rows,
            cols,
        };
        self.0 = self.0.saturating_add(place.len());
        place
    }
}

/// Every table of a replica; names as in `cpu::tables`.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) vector: Vector,
    // What training changes: vectors, as places of one row.
    pub(crate) parameters: Place,
    pub(crate) first: Place,
    pub(crate) second: Place,
    pub(crate) gradient: Place,
    /// `(2, 4)`: 1, 0, 0, 0 and −1, 0, 0, 0, to make sums of products
    pub(crate) ones: Place,
    // The folded tables.
    pub(crate) x: Place,
    pub(crate) xd: Place,
    pub(crate) r: Place,
    pub(crate) q: Place,
    /// q_hᵀ W_K,hᵀ / √d_head
    pub(crate) kq: Place,
    pub(crate) scores: Place,
    pub(crate) v_eq: Place,
    pub(crate) neuron_base: Place,
    pub(crate) logit_base: Place,
    pub(crate) v: Place,
    pub(crate) ow: Place,
    pub(crate) ou: Place,
    pub(crate) neuron_rows: Place,
    pub(crate) logit_rows: Place,
    pub(crate) m: Place,
    /// Mᵀ
    pub(crate) m_flipped: Place,
    // What the pass over the pairs leaves of each.
    pub(crate) train_losses: Place,
    pub(crate) train_rights: Place,
    pub(crate) test_losses: Place,
    pub(crate) test_rights: Place,
    pub(crate) attention: Place,
    pub(crate) neurons: Place,
    pub(crate) d_neurons: Place,
    pub(crate) d_logits: Place,
    pub(crate) d_pair_scores: Place,
    // Sums over the pairs, in parts.
    pub(crate) m_parts: Place,
    pub(crate) neuron_base_parts: Place,
    pub(crate) logit_base_parts: Place,
    pub(crate) score_parts: Place,
    // The gradients of the folded tables.
    pub(crate) d_scores: Place,
    pub(crate) d_neuron_rows: Place,
    pub(crate) d_logit_rows: Place,
    pub(crate) d_neuron_base: Place,
    pub(crate) d_logit_base: Place,
    pub(crate) d_m: Place,
    // The way back to the parameters.
    pub(crate) d_v: Place,
    pub(crate) d_ow: Place,
    pub(crate) d_ou: Place,
    pub(crate) d_r: Place,
    pub(crate) d_v_eq: Place,
    pub(crate) d_kq: Place,
    pub(crate) d_q: Place,
    /// sums of dV′ over the tokens at position 0, at 1, and over all with the sign turned
    pub(crate) d_v_sums: Place,
    /// sums of d(score) over the tokens at position 0, and at 1
    pub(crate) d_score_sums: Place,
    /// vec4s of a replica
    pub(crate) stride: usize,
}

impl Tables {
    /// The tables for so many training and test pairs. Sizes saturate.
    pub(crate) fn new(shape: &Shape, train: usize, test: usize) -> Tables {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = *shape;
        let he = heads.saturating_mul(e);
        let rows = 2 * p;
        let by_head = rows.saturating_mul(heads);
        let parts = train.div_ceil(SPLIT);
        let vector = Vector::new(shape);
        let numbers = vector.len.saturating_mul(4);
        let mut next = Next::default();
        let mut table = |rows: usize, cols: usize| next.table(rows, cols);
        let mut tables = Tables {
            parameters: table(1, numbers),
            first: table(1, numbers),
            second: table(1, numbers),
            gradient: table(1, numbers),
            vector,
            ones: table(2, 4),
            x: table(rows + 1, d),
            xd: table(rows, d),
            r: table(1, d),
            q: table(heads, e),
            kq: table(heads, d),
            scores: table(rows + 1, heads),
            v_eq: table(heads, e),
            neuron_base: table(1, f),
            logit_base: table(1, p),
            v: table(by_head, e),
            ow: table(he, f),
            ou: table(he, p),
            neuron_rows: table(by_head, f),
            logit_rows: table(by_head, p),
            // Rows that are only padding, because the kernels take four at once.
            m: table(f.next_multiple_of(4), p),
            m_flipped: table(p.next_multiple_of(4), f),
            train_losses: table(1, train),
            train_rights: table(1, train),
            test_losses: table(1, test),
            test_rights: table(1, test),
            attention: table(train.saturating_mul(2), heads),
            neurons: table(train, f),
            d_neurons: table(train, f),
            d_logits: table(train, p),
            d_pair_scores: table(3 * heads, train),
            m_parts: table(parts.saturating_mul(f), p),
            neuron_base_parts: table(parts, f),
            logit_base_parts: table(parts, p),
            score_parts: table(parts, heads),
            d_scores: table(rows + 1, heads),
            d_neuron_rows: table(by_head, f),
            d_logit_rows: table(by_head, p),
            d_neuron_base: table(1, f),
            d_logit_base: table(1, p),
            d_m: table(f, p),
            d_v: table(by_head, e),
            d_ow: table(he, f),
            d_ou: table(he, p),
            d_r: table(1, d),
            d_v_eq: table(heads, e),
            d_kq: table(heads, d),
            d_q: table(heads, e),
            d_v_sums: table(3 * heads, e),
            d_score_sums: table(2, heads),
            stride: 0,
        };
        tables.stride = next.0;
        tables
    }

    /// A tensor's place among the parameters.
    pub(crate) fn weight(&self, parameter: Parameter) -> Place {
        self.within(&self.parameters, parameter)
    }

    /// Its gradient's place.
    pub(crate) fn gradient_of(&self, parameter: Parameter) -> Place {
        self.within(&self.gradient, parameter)
    }

    fn within(&self, vector: &Place, parameter: Parameter) -> Place {
        let place = self.vector.place(parameter);
        Place {
            first: vector.first + place.first,
            ..place
        }
    }
}

/// Bytes of the arena that one replica takes.
pub(crate) fn replica_bytes(shape: &Shape, train: usize, test: usize) -> u64 {
    (Tables::new(shape, train, test).stride as u64).saturating_mul(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_executor::Activation;

    #[test]
    fn a_vector_comes_back_as_it_was() {
        let shape = Shape {
            modulus: 5,
            d_model: 3,
            heads: 2,
            d_head: 7,
            d_mlp: 9,
            activation: Activation::Relu,
            trained_biases: true,
        };
        let vector = Vector::new(&shape);
        let flat: Vec<f32> = (1..=shape.parameters()).map(|i| i as f32).collect();
        let padded = vector.pad(&flat);
        assert_eq!(vector.strip(&padded), flat);
        assert_eq!(
            padded.iter().filter(|x| **x != 0.0).count(),
            flat.len(),
            "the rest is zeros"
        );
        assert_eq!(vector.trained, vector.len);
        let embed = vector.place(Parameter::PosEmbed);
        assert_eq!((embed.first, embed.rows, embed.cols), (6, 3, 3));
    }

    #[test]
    fn the_published_replica_takes_about_30_megabytes() {
        let shape = Shape {
            modulus: 113,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp: 512,
            activation: Activation::Relu,
            trained_biases: false,
        };
        let bytes = replica_bytes(&shape, 3830, 8939);
        assert!((25_000_000..40_000_000).contains(&bytes), "{bytes}");
    }
}
