use super::*;

const DIMS: Dims = Dims {
    modulus: 3,
    outputs: 3,
    body: Body::Transformer(SIZES),
};

const SIZES: TransformerSizes = TransformerSizes {
    layers: 1,
    d_model: 4,
    heads: 2,
    d_head: 3,
    d_mlp: Some(5),
    separator: true,
    norm: Norm::None,
};

const TWO_HEADS: Hints = Hints {
    heads: Some(2),
    rate: false,
    plain_norm: false,
};

fn shapes(layout: Layout, dims: &Dims) -> Shapes {
    let parts = parts(layout, dims).into_iter();
    let parts = parts.filter(|part| !matches!(part.presence, Presence::Never(_)));
    parts.map(|part| (part.name, part.shape)).collect()
}

#[test]
fn each_layout_is_recognised_with_and_without_an_output_for_equals() {
    for layout in [Layout::TransformerLens, Layout::Paper, Layout::Native] {
        for outputs in [3, 4] {
            let dims = Dims { outputs, ..DIMS };
            let found = recognise(&shapes(layout, &dims), TWO_HEADS).unwrap();
            assert_eq!(found, (layout, dims));
        }
    }
}

/// Writes the same model in three layouts; the index arithmetic is written out once more.
#[test]
fn the_layouts_are_turned_into_one() {
    let dims = Dims { outputs: 4, ..DIMS };
    let (d, e, m) = (4, 3, 5);
    // A number that says where it belongs: tensor, then indices in TransformerLens's layout.
    let code =
        |tensor: usize, i: usize, j: usize, k: usize| (1000 * tensor + 100 * i + 10 * j + k) as f32;
    let fill = |shape: &[usize], number: &dyn Fn(&[usize]) -> f32| -> Vec<f32> {
        let len: usize = shape.iter().product();
        let index = |mut at: usize| {
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = at % shape[axis];
                at /= shape[axis];
            }
            index
        };
        (0..len).map(|at| number(&index(at))).collect()
    };
    let mut results = Vec::new();
    for layout in [Layout::TransformerLens, Layout::Paper, Layout::Native] {
        let all = shapes(layout, &dims);
        let turned: &[&str] = match layout {
            Layout::TransformerLens => &[],
            Layout::Paper => &["embed.W_E", "blocks.0.mlp.W_in", "blocks.0.mlp.W_out"],
            _ => &[
                "blocks.0.mlp.in.weight",
                "blocks.0.mlp.out.weight",
                "unembed.weight",
            ],
        };
        let native = layout == Layout::Native;
        let plain = layout == Layout::TransformerLens;
        let read = |name: &str| {
            let shape = &all[name];
            let of_heads = ["W_Q", "W_K", "W_V", "q.weight", "k.weight", "v.weight"]
                .iter()
                .any(|n| name.ends_with(n));
            let output = ["W_O", "o.weight"].iter().any(|n| name.ends_with(n));
            let bias = name.contains("bias") || name.contains("b_");
            Ok(match () {
                () if bias => vec![0.0; shape.iter().product()],
                () if of_heads && plain => fill(shape, &|i| code(1, i[0], i[1], i[2])),
                () if of_heads && native => fill(shape, &|i| code(1, i[0] / e, i[1], i[0] % e)),
                () if of_heads => fill(shape, &|i| code(1, i[0], i[2], i[1])),
                () if output && plain => fill(shape, &|i| code(2, i[0], i[1], i[2])),
                () if output => fill(shape, &|i| code(2, i[1] / e, i[1] % e, i[0])),
                () if turned.contains(&name) => fill(shape, &|i| code(3, 0, i[1], i[0])),
                () => fill(shape, &|i| code(3, 0, i[0], i[1])),
            })
        };
        let Weights { tensors, separator } = canonical(&all, layout, &dims, read).unwrap();
        assert_eq!(separator.unwrap().column.len(), d);
        results.push(
            tensors
                .into_iter()
                // The paper's layout has no biases of attention and unembedding.
                .filter(|t| !t.name.contains("attn.b_") && t.name != "unembed.b_U")
                .map(|t| (t.name, t.shape, t.data))
                .collect::<Vec<_>>(),
        );
    }
    let sorted = |mut tensors: Vec<(String, Vec<usize>, Vec<f32>)>| {
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    let [plain, paper, native] = <[_; 3]>::try_from(results).unwrap().map(sorted);
    assert_eq!(plain, paper);
    assert_eq!(plain, native);
    let unembed = plain.iter().find(|t| t.0 == "unembed.W_U").unwrap();
    assert_eq!(unembed.1, [d, 3], "the output for '=' is left out");
    let into = plain.iter().find(|t| t.0 == "blocks.0.mlp.W_in").unwrap();
    assert_eq!(into.1, [d, m]);
}

#[test]
fn other_shapes_are_refused_with_expected_and_found() {
    let change = |name: &str, shape: Option<&[usize]>| {
        let mut all = shapes(Layout::TransformerLens, &DIMS);
        match shape {
            Some(shape) => drop(all.insert(name.to_owned(), shape.to_vec())),
            None => drop(all.remove(name)),
        }
        recognise(&all, Hints::default()).unwrap_err().to_string()
    };
    for (name, shape, says) in [
        (
            "blocks.0.mlp.W_out",
            Some(&[4, 5][..]),
            "is [4, 5], transposed; expected [5, 4]",
        ),
        ("unembed.W_U", Some(&[4, 7]), "7 outputs; expected 3"),
        (
            "blocks.0.attn.W_K",
            Some(&[8, 3]),
            "is [8, 3]; expected [2, 4, 3]",
        ),
        ("blocks.0.ln1.w", Some(&[4]), "no tensor blocks.0.ln1.b"),
        ("blocks.0.norm.w", Some(&[4]), "only the tensors of"),
        (
            "blocks.1.attn.W_Q",
            Some(&[2, 4, 3]),
            "no tensor blocks.1.attn.W_K",
        ),
        ("blocks.4.attn.W_Q", Some(&[2, 4, 3]), "1 to 4 layers"),
        ("pos_embed.W_pos", Some(&[5, 4]), "5 positions"),
        ("embed.W_E", None, "no tensor embed.W_E"),
        ("blocks.0.mlp.W_in", None, "no tensor blocks.0.mlp.W_in"),
        ("embed.W_E", Some(&[1, 4]), "1 tokens"),
    ] {
        let error = change(name, shape);
        assert!(error.contains(says), "{name}: {error}");
    }
}

#[test]
fn a_mask_that_hides_what_the_model_sees_is_refused() {
    let mut all = shapes(Layout::TransformerLens, &DIMS);
    let mut found = |mask: &[f32], shape: &[usize], layers: usize| {
        all.insert("blocks.0.attn.mask".to_owned(), shape.to_vec());
        let dims = Dims {
            body: Body::Transformer(TransformerSizes { layers, ..SIZES }),
            ..DIMS
        };
        let read = |_: &str| Ok(mask.to_vec());
        transformer::check_buffers(&all, Layout::TransformerLens, &dims, read)
    };
    let lower = [1., 0., 0., 1., 1., 0., 1., 1., 1.];
    for layers in [1, 2] {
        assert!(found(&lower, &[3, 3], layers).is_ok());
        assert!(found(&[], &[0, 0], layers).is_ok());
        assert!(found(&[1.0; 9], &[3, 3], layers).is_ok());
        let hidden = [1., 0., 0., 1., 1., 0., 1., 0., 1.];
        assert!(found(&hidden, &[3, 3], layers).is_err());
        assert!(found(&[1.0; 8], &[3, 3], layers).is_err());
        assert!(found(&[1.0; 4], &[2, 2], layers).is_err());
    }
    // What only a deeper model uses.
    let hidden = [1., 0., 0., 0., 1., 0., 1., 1., 1.];
    assert!(found(&hidden, &[3, 3], 1).is_ok());
    assert!(found(&hidden, &[3, 3], 2).is_err());
}
