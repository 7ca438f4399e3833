use super::*;
use crate::architecture::{Input, Mask, Norm, Pattern};
use crate::examples::{mlp, signs, transformer, with};
use crate::init::{Init, initial_parameters};
use crate::interpret::{Data, Interpreter};
use crate::program::Stage;
use crate::table::{Extent, Part};

fn extent(program: &Program, name: &str) -> Option<Extent> {
    Some(program.table(program.find(name)?).rows)
}

fn record(architecture: &Architecture) -> Program {
    plain(architecture, &Loss::PUBLISHED).unwrap()
}

const SAMPLE: Extent = Extent::Sample(Part::Train);

#[test]
fn under_a_causal_mask_position_0_is_a_tokens_in_every_layer() {
    let program = record(&transformer(3, Norm::Pre));
    for layer in 0..3 {
        for part in ["attn.k", "attn.v", "ln1"] {
            let name = format!("blocks.{layer}.{part}.0");
            assert_eq!(extent(&program, &name), Some(Extent::Token(0)), "{name}");
        }
    }
    assert_eq!(
        extent(&program, "blocks.0.attn.k.1"),
        Some(Extent::Token(1))
    );
    assert_eq!(extent(&program, "blocks.1.attn.k.1"), Some(SAMPLE));
    assert_eq!(extent(&program, "blocks.0.attn.q.2"), Some(Extent::Once(1)));
    // In the first block the score of '=' and a is a table by tokens.
    assert_eq!(
        extent(&program, "blocks.0.attn.score.0.2"),
        Some(Extent::Token(0))
    );
}

#[test]
fn without_a_mask_only_the_first_block_is_by_token() {
    let architecture = with(transformer(2, Norm::None), |t| t.mask = Mask::None);
    let program = record(&architecture);
    assert_eq!(
        extent(&program, "blocks.0.attn.k.0"),
        Some(Extent::Token(0))
    );
    assert_eq!(extent(&program, "blocks.1.attn.k.0"), Some(SAMPLE));
}

#[test]
fn rows_that_nobody_reads_are_not_recorded() {
    let program = record(&transformer(2, Norm::None));
    for name in [
        "attn.q.0",
        "attn.q.1",
        "attn.z.1",
        "mlp.pre.0",
        "resid_post.1",
    ] {
        assert_eq!(
            extent(&program, &format!("blocks.1.{name}")),
            None,
            "{name}"
        );
        assert!(
            extent(&program, &format!("blocks.0.{name}")).is_some(),
            "{name}"
        );
    }
    // A last block without attention reads the last position alone, and so does the block before
    // it.
    let architecture = with(transformer(2, Norm::None), |t| t.blocks[1].attention = None);
    let program = record(&architecture);
    assert_eq!(extent(&program, "blocks.0.mlp.pre.1"), None);
    assert_eq!(extent(&program, "blocks.1.mlp.pre.2"), Some(SAMPLE));
}

#[test]
fn each_part_has_tables_of_its_own_and_shares_those_of_tokens() {
    let program = record(&transformer(1, Norm::None));
    assert_eq!(
        extent(&program, "test.logits"),
        Some(Extent::Sample(Part::Test))
    );
    assert_eq!(extent(&program, "test.blocks.0.attn.k.0"), None);
}

#[test]
fn uniform_attention_has_no_queries() {
    let architecture = with(transformer(1, Norm::None), |t| {
        for block in &mut t.blocks {
            block.attention.as_mut().unwrap().pattern = Pattern::Uniform;
        }
    });
    let program = record(&architecture);
    assert_eq!(program.parameters.position("blocks.0.attn.W_Q"), None);
    assert_eq!(extent(&program, "blocks.0.attn.z.2"), Some(SAMPLE));
}

/// The first layer of signs is a linear layer on numbers of −1 and 1.
#[test]
fn signs_are_multiplied_by_the_weights() {
    let architecture = signs(7, &[3]);
    let program = record(&architecture);
    let list = &program.parameters;
    let weights = initial_parameters(&architecture, list, Init::Torch, 1.0, 5).unwrap();
    let range = |name: &str| list.ranges().nth(list.position(name).unwrap()).unwrap();
    let (w, b) = (range("layers.0.W"), range("layers.0.b"));
    assert_eq!(weights[range("signs")], [-1.0, 1.0]);
    let bits = [1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1];
    let data = Data::new(&program, bits.to_vec(), vec![0, 1]).unwrap();
    let mut model = Interpreter::<f64>::new(&program, data.clone(), data).unwrap();
    let state = program.initial_state(weights.clone()).unwrap();
    model.load(&state).unwrap();
    model.run(Stage::Shared);
    model.run(Stage::Forward(Part::Train));
    let pre = model.table(program.find("layers.0.pre").unwrap());
    for (sample, bits) in bits.chunks(7).enumerate() {
        for j in 0..3 {
            let weight = |i: usize| f64::from(weights[w.start + 3 * i + j]);
            let signed = bits.iter().enumerate();
            let sum: f64 = signed
                .map(|(i, bit)| (2.0 * f64::from(*bit) - 1.0) * weight(i))
                .sum();
            let want = sum + f64::from(weights[b.start + j]);
            assert!((pre[3 * sample + j] - want).abs() < 1e-12);
        }
    }
}

#[test]
fn the_first_layer_of_a_perceptron_is_looked_up() {
    let shared = Input::EmbeddingSum {
        width: 4,
        shared: true,
    };
    let program = record(&mlp(shared, &[8]));
    assert_eq!(extent(&program, "layers.0.rows"), Some(Extent::Once(5)));
    let apart = Input::EmbeddingConcat {
        width: 4,
        shared: false,
    };
    let program = record(&mlp(apart, &[8, 8]));
    assert_eq!(extent(&program, "layers.0.rows.1"), Some(Extent::Token(1)));
    assert_eq!(extent(&program, "layers.1.pre"), Some(SAMPLE));
}
