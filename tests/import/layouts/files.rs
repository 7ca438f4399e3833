//! Models as files of published code have them. Every number is a function of its tensor's name and
//! of its place in that tensor, so that a file of any layout is written by saying which place each
//! of its numbers has.

use std::path::Path;

use grokrun_exchange::{Array, Numbers, write_safetensors, write_state_dict};
use serde_json::Value;

use super::formulas::{Transformer, number};
use crate::support::Bench;

/// An array whose number at each index is that of `place(index)` in the tensor of this name.
pub(super) fn array(
    file: &str,
    name: &str,
    shape: &[usize],
    place: impl Fn(&[usize]) -> Vec<usize>,
) -> Array {
    let len = shape.iter().product::<usize>();
    let index = |mut at: usize| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = at % shape[axis];
            at /= shape[axis];
        }
        index
    };
    let numbers = (0..len)
        .map(|at| number(name, &place(&index(at))))
        .collect();
    Array {
        name: file.to_owned(),
        shape: shape.to_vec(),
        numbers: Numbers::F32(numbers),
    }
}

pub(super) fn same(index: &[usize]) -> Vec<usize> {
    index.to_vec()
}

pub(super) fn swapped(index: &[usize]) -> Vec<usize> {
    vec![index[1], index[0]]
}

/// The tensors of a model as TransformerLens saves them.
pub(super) fn transformer_lens(t: &Transformer) -> Vec<Array> {
    let (d, h, e) = (t.d, t.heads, t.d_head);
    let mut all = Vec::new();
    let mut add = |name: &str, shape: &[usize]| all.push(array(name, name, shape, same));
    add("embed.W_E", &[t.tokens(), d]);
    add("pos_embed.W_pos", &[t.positions(), d]);
    for b in 0..t.layers {
        let mut of = |name: &str, shape: &[usize]| add(&format!("blocks.{b}.{name}"), shape);
        if t.norm == Some(true) {
            of("ln1.w", &[d]);
            of("ln1.b", &[d]);
            if t.neurons.is_some() {
                of("ln2.w", &[d]);
                of("ln2.b", &[d]);
            }
        }
        for name in ["W_Q", "W_K", "W_V"] {
            of(&format!("attn.{name}"), &[h, d, e]);
        }
        of("attn.W_O", &[h, e, d]);
        if let Some(m) = t.neurons {
            of("mlp.W_in", &[d, m]);
            of("mlp.W_out", &[m, d]);
        }
        if t.biases {
            for name in ["b_Q", "b_K", "b_V"] {
                of(&format!("attn.{name}"), &[h, e]);
            }
            of("attn.b_O", &[d]);
            if let Some(m) = t.neurons {
                of("mlp.b_in", &[m]);
                of("mlp.b_out", &[d]);
            }
        }
    }
    if t.norm == Some(true) {
        add("ln_final.w", &[d]);
        add("ln_final.b", &[d]);
    }
    add("unembed.W_U", &[d, t.p]);
    if t.biases {
        add("unembed.b_U", &[t.p]);
    }
    all
}

/// The same as the code of Nanda et al. and of Zhong et al. has them.
pub(super) fn transposed(t: &Transformer) -> Vec<Array> {
    let (d, h, e) = (t.d, t.heads, t.d_head);
    let mut all = vec![
        array("embed.W_E", "embed.W_E", &[d, t.tokens()], swapped),
        array(
            "pos_embed.W_pos",
            "pos_embed.W_pos",
            &[t.positions(), d],
            same,
        ),
        array("unembed.W_U", "unembed.W_U", &[d, t.p], same),
    ];
    for b in 0..t.layers {
        let mut of = |name: &str, shape: &[usize], place: &dyn Fn(&[usize]) -> Vec<usize>| {
            let name = format!("blocks.{b}.{name}");
            all.push(array(&name, &name, shape, place));
        };
        for name in ["W_Q", "W_K", "W_V"] {
            of(&format!("attn.{name}"), &[h, e, d], &|i| {
                vec![i[0], i[2], i[1]]
            });
        }
        of("attn.W_O", &[d, h * e], &|i| vec![i[1] / e, i[1] % e, i[0]]);
        if let Some(m) = t.neurons {
            of("mlp.W_in", &[m, d], &swapped);
            of("mlp.W_out", &[d, m], &swapped);
            if t.biases {
                of("mlp.b_in", &[m], &same);
                of("mlp.b_out", &[d], &same);
            }
        }
    }
    all
}

pub(super) const PLAIN: Transformer = Transformer {
    p: 7,
    d: 8,
    heads: 2,
    d_head: 3,
    neurons: Some(10),
    layers: 2,
    separator: true,
    norm: None,
    biases: false,
    attention_biases_are_zero: false,
    causal: true,
    rate: 1.0,
    gelu: false,
};

pub(super) fn write(bench: &Bench, name: &str, arrays: &[Array], config: Option<Value>) {
    let path = bench.path().join(name);
    if Path::new(name).extension().is_some_and(|e| e == "pt") {
        return write_state_dict(&path, arrays).unwrap();
    }
    let metadata: Vec<_> = config
        .map(|config| ("hooked_transformer_config", config.to_string()))
        .into_iter()
        .collect();
    write_safetensors(&path, arrays, &metadata).unwrap();
}
