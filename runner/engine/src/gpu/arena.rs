//! Lays out the arena: every table of a batch in one storage buffer, so that one kernel computes
//! products of any tables in one dispatch. The parts of all replicas have the same layout. The rows
//! of a table are padded with zeros to whole vec4s, which kernels read and write at once.

use grokrun_executor::{Parameter, Shape};

/// The number of training pairs in one part of a sum over all training pairs.
pub(crate) const SPLIT: usize = 256;
/// The number of vec4s after the last replica, which a tile at the edge of a table may read and
/// discard.
pub(crate) const SLACK: usize = 64;

/// A table in a replica's part: its start in vec4s, and its `(rows, cols)` entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Place {
    /// Returns the number of vec4s from row to row.
    pub(crate) fn vec4s(&self) -> usize {
        self.cols.div_ceil(4)
    }

    /// Returns the number of vec4s of the whole table.
    pub(crate) fn len(&self) -> usize {
        self.rows.saturating_mul(self.vec4s())
    }

    /// Writes the table in the layout of the arena.
    pub(crate) fn pad(&self, numbers: &[f32], padded: &mut [f32]) {
        let (wide, cols) = (4 * self.vec4s(), self.cols);
        for (row, out) in numbers
            .chunks_exact(cols)
            .zip(padded.chunks_exact_mut(wide))
        {
            out[..cols].copy_from_slice(row);
        }
    }

    /// Returns the table without its padding.
    pub(crate) fn strip(&self, padded: &[f32]) -> Vec<f32> {
        let rows = padded.chunks_exact(4 * self.vec4s());
        rows.flat_map(|row| &row[..self.cols]).copied().collect()
    }
}

/// The places of the parameter tensors in a vector of all of them, in the order of the flat vector,
/// with padding.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// from the vector's start, in the order of [`Parameter::ALL`]
    places: Vec<Place>,
    /// number of vec4s of the whole vector
    pub(crate) len: usize,
    /// number of vec4s, from the start, that the optimizer updates
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

    /// Returns a tensor's place in the vector.
    pub(crate) fn place(&self, parameter: Parameter) -> Place {
        // `ALL` has every parameter.
        let index = Parameter::ALL.iter().position(|q| *q == parameter);
        self.places[index.unwrap_or(0)]
    }

    /// Returns the flat vector with padding, `(4 len)`.
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

    /// Returns the flat vector without its padding.
    pub(crate) fn strip(&self, padded: &[f32]) -> Vec<f32> {
        let of = |place: &Place| place.strip(&padded[4 * place.first..][..4 * place.len()]);
        self.places.iter().flat_map(of).collect()
    }
}

/// Lays tables out one after another; holds the next free vec4.
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

/// The place of every table of a replica; the names are as in the CPU executor's tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) vector: Vector,
    // The vectors that training changes, as places of one row.
    pub(crate) parameters: Place,
    pub(crate) first: Place,
    pub(crate) second: Place,
    pub(crate) gradient: Place,
    /// `(2, 4)`: 1, 0, 0, 0 and −1, 0, 0, 0, to compute sums as products
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
    // The results of the pass over the pairs, for each pair.
    pub(crate) train_losses: Place,
    pub(crate) train_rights: Place,
    pub(crate) test_losses: Place,
    pub(crate) test_rights: Place,
    pub(crate) attention: Place,
    pub(crate) neurons: Place,
    pub(crate) d_neurons: Place,
    pub(crate) d_logits: Place,
    pub(crate) d_pair_scores: Place,
    // The parts of the sums over the pairs.
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
    // The tables between the folded tables' gradients and the parameters' gradients.
    pub(crate) d_v: Place,
    pub(crate) d_ow: Place,
    pub(crate) d_ou: Place,
    pub(crate) d_r: Place,
    pub(crate) d_v_eq: Place,
    pub(crate) d_kq: Place,
    pub(crate) d_q: Place,
    /// sums of dV′ over the tokens at position 0, at position 1, and over all tokens with the sign
    /// changed
    pub(crate) d_v_sums: Place,
    /// sums of d(score) over the tokens at position 0, and at position 1
    pub(crate) d_score_sums: Place,
    /// number of vec4s of a replica
    pub(crate) stride: usize,
}

impl Tables {
    /// Lays out the tables for these numbers of training and test pairs. Sizes saturate.
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
            // There are rows of padding alone, since the kernels read four rows at once.
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

    /// Returns a tensor's place among the parameters.
    pub(crate) fn weight(&self, parameter: Parameter) -> Place {
        self.within(&self.parameters, parameter)
    }

    /// Returns the place of a tensor's gradient.
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

/// Returns the number of bytes of the arena for one replica.
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
