//! Records a multilayer perceptron.
//!
//! Owns how the first layer becomes look-ups: a one-hot vector times a matrix is a row of the
//! matrix, and an embedding times a matrix, or a sign times a row, is a table with a row for each
//! token.

use crate::architecture::{Architecture, Input, Mlp};
use crate::builder::{Builder, term};
use crate::parameters::{SIGNS, embedding};
use crate::table::{Extent, Part, View};

/// Records the model and returns the logits.
pub(super) fn record(b: &mut Builder, a: &Architecture, m: &Mlp) -> View {
    let rows = first_layer(b, a, m);
    let bias = b.optional("layers.0.b");
    let mut x = b.table(
        "layers.0.pre".into(),
        Extent::Sample(Part::Train),
        m.hidden[0],
    );
    let terms = rows.into_iter().chain(bias).map(term).collect();
    b.add(x, 1, terms, 0.0);
    for number in 0..m.hidden.len() {
        x = b.activate(format!("layers.{number}.post"), x, m.activation);
        let next = number + 1;
        let weight = b.parameter(&format!("layers.{next}.W"));
        let bias = b.optional(&format!("layers.{next}.b"));
        let name = if next == m.hidden.len() {
            "logits".into()
        } else {
            format!("layers.{next}.pre")
        };
        x = b.product(name, x, weight, bias.as_slice());
    }
    x
}

/// Returns the rows that a sample's tokens add to the first layer, for each operand.
fn first_layer(b: &mut Builder, a: &Architecture, m: &Mlp) -> Vec<View> {
    let weight = b.parameter("layers.0.W");
    let operands = 0..a.operands;
    match m.input {
        Input::TwoHot => operands
            .map(|i| weight.rows_as(i * a.tokens, Extent::Token(i)))
            .collect(),
        Input::Signs => operands
            .map(|i| {
                let signs = b.parameter(SIGNS).rows_as(0, Extent::Token(i));
                b.product(rows_of(i), signs, weight.rows(i, 1), &[])
            })
            .collect(),
        Input::EmbeddingSum { shared: true, .. } => {
            let embedding = b.parameter(&embedding(true, 0));
            let rows = b.product("layers.0.rows".into(), embedding, weight, &[]);
            operands
                .map(|i| rows.rows_as(0, Extent::Token(i)))
                .collect()
        }
        Input::EmbeddingSum { shared: false, .. } => {
            operands.map(|i| token_rows(b, i, false, weight)).collect()
        }
        Input::EmbeddingConcat { width, shared } => operands
            .map(|i| token_rows(b, i, shared, weight.rows(i * width, width)))
            .collect(),
    }
}

/// Records E_i W with a row for each token at position i.
fn token_rows(b: &mut Builder, operand: usize, shared: bool, weight: View) -> View {
    let embedding = b.parameter(&embedding(shared, operand));
    let rows = embedding.rows_as(0, Extent::Token(operand));
    b.product(rows_of(operand), rows, weight, &[])
}

/// Returns the name of the table of an operand's rows.
fn rows_of(operand: usize) -> String {
    format!("layers.0.rows.{operand}")
}
