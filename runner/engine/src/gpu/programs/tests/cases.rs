//! Small cells of every architecture, loss and recipe.

use grokrun_program::{
    Activation, AdamW, Architecture, Attention, Batches, Bias, Block, Clip, Data, Filter,
    GrokfastEma, GrokfastMa, Init, Input, Lion, Loss, LossKind, Mask, Mlp, Model, Muon, Neurons,
    Norm, Others, Pattern, Precision, Recipe, Rule, Sgd, Sphere, Transformer, folded,
    initial_parameters, plain, train,
};

use super::*;

pub(super) const TOKENS: usize = 7;

/// Widths that are no multiple of anything.
pub(super) fn transformer(layers: usize, change: impl FnOnce(&mut Transformer)) -> Architecture {
    let block = Block {
        attention: Some(Attention {
            heads: 3,
            d_head: 5,
            pattern: Pattern::Softmax,
        }),
        mlp: Some(Neurons {
            width: 13,
            activation: Activation::Gelu,
        }),
    };
    let mut transformer = Transformer {
        d_model: 11,
        separator: true,
        blocks: vec![block; layers],
        norm: Norm::None,
        mask: Mask::Causal,
        attention_biases: Bias::Trained,
        mlp_biases: Bias::Trained,
        unembedding_bias: Bias::Trained,
        tied: false,
    };
    change(&mut transformer);
    of(Model::Transformer(transformer))
}

fn of(model: Model) -> Architecture {
    Architecture {
        tokens: TOKENS,
        classes: TOKENS,
        operands: 2,
        model,
    }
}

pub(super) fn mlp(activation: Activation) -> Architecture {
    of(Model::Mlp(Mlp {
        input: Input::EmbeddingConcat {
            width: 6,
            shared: false,
        },
        hidden: vec![19, 10],
        activation,
        biases: Bias::Trained,
    }))
}

fn loss(kind: LossKind, precision: Precision, temperature: f64) -> Loss {
    Loss {
        kind,
        precision,
        temperature,
    }
}

fn rule(rule: Rule) -> Recipe {
    Recipe {
        rule,
        learning_rate: 1e-2,
        weight_decay: 0.1,
        warmup: 2,
        ..Recipe::published()
    }
}

fn filters(filters: Vec<Filter>) -> Recipe {
    Recipe {
        filters,
        ..Recipe::published()
    }
}

pub(super) fn cell(
    architecture: &Architecture,
    loss: &Loss,
    recipe: &Recipe,
    seed: i64,
) -> RecordedCell {
    let forward = plain(architecture, loss).unwrap();
    let program = train(forward, recipe).unwrap();
    recorded(architecture, program, Init::Normal(0.4), seed)
}

fn recorded(architecture: &Architecture, program: Program, init: Init, seed: i64) -> RecordedCell {
    let parameters = &program.parameters;
    let parameters = initial_parameters(architecture, parameters, init, 1.0, seed).unwrap();
    let n = TOKENS as u32;
    let part = |test: bool| {
        // As many in every cell, whatever the seed.
        let pairs = (0..n * n).filter(|i| ((i * 11 + seed as u32 * 5) % (n * n) >= 21) == test);
        let labels = pairs.clone().map(|i| (i / n * 2 + i % n) % n).collect();
        Data::new(
            &program,
            pairs.flat_map(|i| [i / n, i % n]).collect(),
            labels,
        )
        .unwrap()
    };
    RecordedCell {
        batches: None,
        cell: ProgramCell {
            train: part(false),
            test: part(true),
            state: program.initial_state(parameters).unwrap(),
            program,
        },
    }
}

/// Every architecture and loss, all of plain gradient descent.
pub(super) fn models() -> Vec<RecordedCell> {
    let sgd = Recipe {
        weight_decay: 0.0,
        ..rule(Rule::Sgd(Sgd {
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
        }))
    };
    let published = Loss::PUBLISHED;
    let mut cells = Vec::new();
    let mut push = |architecture: &Architecture, loss: &Loss| {
        let seed = cells.len() as i64 + 1;
        cells.push(cell(architecture, loss, &sgd, seed));
    };
    push(&transformer(1, |_| {}), &published);
    push(&transformer(2, |t| t.norm = Norm::Pre), &published);
    let unmasked = |t: &mut Transformer| {
        (t.norm, t.mask, t.separator) = (Norm::Post, Mask::None, false);
    };
    push(&transformer(2, unmasked), &published);
    let rate = |t: &mut Transformer| {
        t.tied = true;
        let attention = t.blocks[0].attention.as_mut().unwrap();
        attention.pattern = Pattern::Rate(0.4);
    };
    push(&transformer(1, rate), &published);
    let uniform = |t: &mut Transformer| {
        for block in &mut t.blocks {
            block.attention.as_mut().unwrap().pattern = Pattern::Uniform;
            block.mlp = None;
        }
    };
    push(&transformer(2, uniform), &published);
    for activation in [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Quadratic,
        Activation::Power(3),
        Activation::Silu,
        Activation::Tanh,
        Activation::Identity,
    ] {
        push(&mlp(activation), &published);
    }
    for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::Stablemax] {
        for precision in [Precision::F64, Precision::F32] {
            push(&mlp(Activation::Tanh), &loss(kind, precision, 0.7));
        }
    }
    for precision in [Precision::F16, Precision::Bf16] {
        push(
            &mlp(Activation::Tanh),
            &loss(LossKind::CrossEntropy, precision, 1.0),
        );
    }
    // The bundle that the folded executor fuses, operation by operation.
    let published = Architecture::published(TOKENS);
    let forward = folded(&published, &Loss::PUBLISHED).unwrap().unwrap();
    let program = train(forward, &sgd).unwrap();
    // As wide as this, larger weights would leave few digits of a gradient.
    cells.push(recorded(&published, program, Init::TransformerLens, 3));
    cells
}

/// Lion's place in [`recipes`].
pub(super) const LION: usize = 5;

/// Every rule, filter and projection.
pub(super) fn recipes() -> Vec<RecordedCell> {
    let sgd = |momentum, nesterov| {
        rule(Rule::Sgd(Sgd {
            momentum,
            dampening: 0.0,
            nesterov,
        }))
    };
    let ema = GrokfastEma {
        alpha: 0.9,
        lambda: 2.0,
    };
    let ma = GrokfastMa {
        window: 3,
        lambda: 1.5,
    };
    let others = Others {
        rule: AdamW::PUBLISHED,
        learning_rate: 1e-3,
        weight_decay: 0.5,
    };
    let sphere = |multiple, each| Recipe {
        sphere: Some(Sphere { multiple, each }),
        ..Recipe::published()
    };
    let recipes = [
        Recipe::published(),
        rule(Rule::Adam(grokrun_program::Adam {
            betas: [0.8, 0.95],
            epsilon: 1e-7,
        })),
        sgd(0.0, false),
        sgd(0.9, false),
        sgd(0.9, true),
        rule(Rule::Lion(Lion { betas: [0.9, 0.99] })),
        rule(Rule::Muon(Muon {
            momentum: 0.95,
            others,
        })),
        filters(vec![
            Filter::GrokfastEma(ema),
            Filter::Clip(Clip { most: 0.1 }),
        ]),
        filters(vec![Filter::GrokfastMa(ma)]),
        filters(vec![Filter::Orthogonal]),
        sphere(0.8, false),
        sphere(1.2, true),
    ];
    // Without b_K, whose gradient is 0: of what rounding leaves of it Adam and Lion make steps.
    let architecture = transformer(1, |t| {
        (t.norm, t.attention_biases) = (Norm::Pre, Bias::None);
    });
    let with = |(recipe, seed)| cell(&architecture, &Loss::PUBLISHED, recipe, seed);
    recipes.iter().zip(1..).map(with).collect()
}

/// Minibatches of which the last is smaller.
pub(super) fn batched(seed: i64) -> RecordedCell {
    let mut cell = cell(
        &mlp(Activation::Tanh),
        &Loss::PUBLISHED,
        &Recipe::published(),
        seed,
    );
    let count = cell.cell.train.len() as u32;
    cell.batches = Some(Batches::new(seed, count, 4).unwrap());
    assert!(!count.is_multiple_of(4));
    cell
}
