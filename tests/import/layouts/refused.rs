//! What is not held here is refused, with what was expected.

use grokrun_exchange::Array;
use serde_json::json;

use super::files::{PLAIN, array, same, transformer_lens, write};
use super::formulas::Transformer;
use crate::support::Bench;

#[test]
fn what_is_not_held_here_is_refused_with_its_place() {
    let bench = Bench::new("");
    let lens = transformer_lens(&Transformer {
        norm: Some(true),
        ..PLAIN
    });
    let with = |more: &[(&str, &[usize])], without: &[&str]| {
        let mut arrays = lens.clone();
        arrays.retain(|array| !without.contains(&array.name.as_str()));
        arrays.extend(
            more.iter()
                .map(|(name, shape)| array(name, name, shape, same)),
        );
        arrays
    };
    let bilinear: Vec<Array> = [("W_x", [7, 4]), ("W_y", [7, 4]), ("W_U", [4, 7])]
        .iter()
        .map(|(name, shape)| array(name, name, shape, same))
        .collect();
    let deep = transformer_lens(&Transformer { layers: 5, ..PLAIN });
    let no_separator = transformer_lens(&Transformer {
        separator: false,
        ..PLAIN
    });
    for (arrays, config, flags, says) in [
        (deep, None, &[][..], "1 to 4 layers"),
        (
            with(&[], &["blocks.1.ln2.w"]),
            None,
            &[],
            "no tensor blocks.1.ln2.w",
        ),
        (
            with(&[], &["blocks.0.ln1.b"]),
            None,
            &[],
            "no tensor blocks.0.ln1.b",
        ),
        (
            with(&[("blocks.1.attn.W_gate", &[2])], &[]),
            None,
            &[],
            "blocks.1.attn.W_gate",
        ),
        (
            with(&[], &[]),
            Some(json!({"normalization_type": "RMS"})),
            &[],
            "LN or LNPre",
        ),
        (
            with(&[], &[]),
            Some(json!({"normalization_type": "LN", "eps": 1e-12})),
            &[],
            "the layer norms here",
        ),
        (
            with(&[], &[]),
            Some(json!({"normalization_type": null})),
            &[],
            "has the tensors of layer",
        ),
        (
            with(&[], &[]),
            None,
            &["--normalization", "LNPre"],
            "has tensors of layer norms",
        ),
        (
            with(&[], &[]),
            None,
            &["--attention-rate", "0.5"],
            "clock-and-pizza model alone",
        ),
        (with(&[], &[]), None, &["--attention-rate", "2"], "from 0"),
        (
            no_separator.clone(),
            None,
            &[],
            "see each other (--mask none)",
        ),
        (
            no_separator,
            None,
            &["--mask", "causal"],
            "with a causal mask",
        ),
        (bilinear, None, &[], "BilinearNet"),
    ] {
        write(&bench, "x.safetensors", &arrays, config);
        let fixed = ["import", "x.safetensors", "--into", "runs/x"];
        bench
            .run(&[&fixed[..], flags].concat())
            .exits(2)
            .says(&[says]);
        assert!(!bench.path().join("runs/x").exists(), "{says}");
    }
}
