use super::*;

const DIMS: Dims = Dims {
    modulus: 3,
    outputs: 3,
    d_model: 4,
    heads: 2,
    d_head: 3,
    d_mlp: 5,
};

fn shapes(layout: Layout, dims: &Dims) -> Shapes {
    let parts = parts(layout, dims).into_iter();
    parts
        .map(|part| (part.name.to_owned(), part.shape))
        .collect()
}

#[test]
fn each_layout_is_recognised_with_and_without_an_output_for_equals() {
    for layout in [Layout::TransformerLens, Layout::Paper, Layout::Native] {
        for outputs in [3, 4] {
            let dims = Dims { outputs, ..DIMS };
            let found = recognise(&shapes(layout, &dims), Some(2)).unwrap();
            assert_eq!(found, (layout, dims));
        }
    }
}

/// Writes the same model in three layouts; the index arithmetic is written out once more.
#[test]
fn the_layouts_are_turned_into_one() {
    let dims = Dims { outputs: 4, ..DIMS };
    let Dims {
        d_model: d,
        d_head: e,
        d_mlp: m,
        ..
    } = dims;
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
            Layout::Native => &[
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
        assert_eq!(separator.unwrap().len(), d);
        results.push(
            tensors
                .into_iter()
                .map(|t| (t.name, t.shape, t.data))
                .collect::<Vec<_>>(),
        );
    }
    let sorted = |mut tensors: Vec<(&'static str, Vec<usize>, Vec<f32>)>| {
        tensors.sort_by_key(|t| t.0);
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
        recognise(&all, None).unwrap_err().to_string()
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
        ("blocks.0.ln1.w", Some(&[4]), "without layer norm"),
        ("blocks.1.attn.W_Q", Some(&[2, 4, 3]), "expected one layer"),
        ("embed.W_E", None, "no tensor embed.W_E"),
        ("blocks.0.mlp.W_in", None, "no tensor blocks.0.mlp.W_in"),
        ("embed.W_E", Some(&[1, 4]), "1 tokens"),
    ] {
        let error = change(name, shape);
        assert!(error.contains(says), "{name}: {error}");
    }
}

#[test]
fn biases_that_the_model_does_not_have_and_masks_that_hide_are_refused() {
    let all = shapes(Layout::TransformerLens, &DIMS);
    let with = |odd: &str| {
        let read = |name: &str| {
            let len = all[name].iter().product();
            Ok(vec![if name == odd { 0.5 } else { 0.0 }; len])
        };
        canonical(&all, Layout::TransformerLens, &DIMS, read)
    };
    assert!(with("blocks.0.mlp.b_in").is_ok());
    let error = with("unembed.b_U").err().unwrap().to_string();
    assert!(error.contains("unembed.b_U is not zero"), "{error}");
    assert!(check_mask(&[3, 3], &[1., 0., 0., 1., 1., 0., 1., 1., 1.]).is_ok());
    assert!(check_mask(&[0, 0], &[]).is_ok());
    assert!(check_mask(&[3, 3], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]).is_err());
}
