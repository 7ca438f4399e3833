//! Small cells of every architecture, loss and recipe: between them they use every operation, rule
//! and filter of programs.

use grokrun_executor::{EngineError, ProgramCell, RecordedCell};
use grokrun_program::{
    Activation, AdamW, Architecture, Attention, Batches, Bias, Block, Clip, Data, Filter,
    GrokfastEma, GrokfastMa, Init, Input, Lion, Loss, LossKind, Mask, Mlp, Model, Muon, Neurons,
    Norm, Others, Pattern, Precision, Program, Recipe, Rule, Sgd, Sphere, Transformer, folded,
    initial_parameters, plain, train,
};

pub(crate) const TOKENS: usize = 7;

/// Widths that are no multiple of anything.
pub(crate) fn transformer(layers: usize, change: impl FnOnce(&mut Transformer)) -> Architecture {
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

pub(crate) fn mlp(activation: Activation) -> Architecture {
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

/// A cell, and what it is.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) cell: RecordedCell,
}

/// What the numbers of a case are not for: it is written here.
fn wrong(error: impl std::fmt::Display) -> EngineError {
    EngineError::Data(format!("a case of the self-check: {error}"))
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

pub(crate) fn cell(
    architecture: &Architecture,
    loss: &Loss,
    recipe: &Recipe,
    seed: i64,
) -> Result<RecordedCell, EngineError> {
    let forward = plain(architecture, loss).map_err(wrong)?;
    let program = train(forward, recipe).map_err(wrong)?;
    recorded(architecture, program, Init::Normal(0.4), seed)
}

fn recorded(
    architecture: &Architecture,
    program: Program,
    init: Init,
    seed: i64,
) -> Result<RecordedCell, EngineError> {
    let parameters = &program.parameters;
    let parameters =
        initial_parameters(architecture, parameters, init, 1.0, seed).map_err(wrong)?;
    let n = TOKENS as u32;
    let operands = |i: u32| match architecture.operands {
        2 => vec![i / n, i % n],
        // The binary digits of the number.
        count => (0..count).map(|place| i >> place & 1).collect(),
    };
    let part = |test: bool| {
        // As many in every cell, whatever the seed.
        let samples = (0..n * n).filter(|i| ((i * 11 + seed as u32 * 5) % (n * n) >= 21) == test);
        let classes = architecture.classes as u32;
        let label = |i: u32| (operands(i)[0] * 2 + operands(i)[1]) % classes;
        let labels = samples.clone().map(label).collect();
        Data::new(&program, samples.flat_map(operands).collect(), labels).map_err(wrong)
    };
    Ok(RecordedCell {
        batches: None,
        cell: ProgramCell {
            train: part(false)?,
            test: part(true)?,
            state: program.initial_state(parameters).map_err(wrong)?,
            program,
        },
    })
}

/// Plain gradient descent at this rate: what a step moves is the gradient.
pub(crate) fn descent(rate: f64) -> Recipe {
    Recipe {
        learning_rate: rate,
        weight_decay: 0.0,
        warmup: 0,
        ..rule(Rule::Sgd(Sgd {
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
        }))
    }
}

/// Every architecture and loss, all of one recipe; the last one is the folded program.
pub(crate) fn models(recipe: &Recipe) -> Result<Vec<Case>, EngineError> {
    let published = Loss::PUBLISHED;
    let mut cases = Vec::new();
    let mut push = |name: String, architecture: &Architecture, loss: &Loss| {
        let seed = cases.len() as i64 + 1;
        let cell = cell(architecture, loss, recipe, seed)?;
        cases.push(Case { name, cell });
        Ok::<(), EngineError>(())
    };
    let one = transformer(1, |_| {});
    push("one layer".to_owned(), &one, &published)?;
    let normed = transformer(2, |t| t.norm = Norm::Pre);
    push("two layers, norms before".to_owned(), &normed, &published)?;
    let unmasked = transformer(2, |t| {
        (t.norm, t.mask, t.separator) = (Norm::Post, Mask::None, false);
    });
    push(
        "two layers, norms after, no mask".to_owned(),
        &unmasked,
        &published,
    )?;
    let rate = transformer(1, |t| {
        t.tied = true;
        for attention in t.blocks.iter_mut().filter_map(|b| b.attention.as_mut()) {
            attention.pattern = Pattern::Rate(0.4);
        }
    });
    push("attention by a rate, tied".to_owned(), &rate, &published)?;
    let uniform = transformer(2, |t| {
        for block in &mut t.blocks {
            block.mlp = None;
            if let Some(attention) = &mut block.attention {
                attention.pattern = Pattern::Uniform;
            }
        }
    });
    push(
        "uniform attention, no neurons".to_owned(),
        &uniform,
        &published,
    )?;
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
        let name = format!("MLP, {activation:?}").to_lowercase();
        push(name.replace("mlp", "MLP"), &mlp(activation), &published)?;
    }
    let signs = Architecture {
        tokens: 2,
        classes: 2,
        operands: 11,
        model: Model::Mlp(Mlp {
            input: Input::Signs,
            hidden: vec![19],
            activation: Activation::Relu,
            biases: Bias::Trained,
        }),
    };
    push("MLP on signs".to_owned(), &signs, &published)?;
    let tanh = mlp(Activation::Tanh);
    for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::Stablemax] {
        for precision in [Precision::F64, Precision::F32] {
            let name = format!("loss {kind:?} in {precision:?}").to_lowercase();
            push(name, &tanh, &loss(kind, precision, 0.7))?;
        }
    }
    for precision in [Precision::F16, Precision::Bf16] {
        let name = format!("loss CrossEntropy in {precision:?}").to_lowercase();
        push(name, &tanh, &loss(LossKind::CrossEntropy, precision, 1.0))?;
    }
    // The bundle that the folded executor fuses, operation by operation.
    let architecture = Architecture::published(TOKENS);
    let forward = folded(&architecture, &Loss::PUBLISHED).map_err(wrong)?;
    let forward = forward.ok_or_else(|| wrong("the published model is not folded"))?;
    let program = train(forward, recipe).map_err(wrong)?;
    // As wide as this, larger weights would leave few digits of a gradient.
    let cell = recorded(&architecture, program, Init::TransformerLens, 3)?;
    let name = "folded, operation by operation".to_owned();
    cases.push(Case { name, cell });
    Ok(cases)
}

/// Lion's place in [`recipes`].
pub(crate) const LION: usize = 5;

/// Every rule, filter and projection.
pub(crate) fn recipes() -> Result<Vec<Case>, EngineError> {
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
        ("AdamW", Recipe::published()),
        (
            "Adam",
            rule(Rule::Adam(grokrun_program::Adam {
                betas: [0.8, 0.95],
                epsilon: 1e-7,
            })),
        ),
        ("SGD", sgd(0.0, false)),
        ("SGD with momentum", sgd(0.9, false)),
        ("SGD, Nesterov's", sgd(0.9, true)),
        ("Lion", rule(Rule::Lion(Lion { betas: [0.9, 0.99] }))),
        (
            "Muon",
            rule(Rule::Muon(Muon {
                momentum: 0.95,
                others,
            })),
        ),
        (
            "Grokfast-EMA, clipped",
            filters(vec![
                Filter::GrokfastEma(ema),
                Filter::Clip(Clip { most: 0.1 }),
            ]),
        ),
        ("Grokfast-MA", filters(vec![Filter::GrokfastMa(ma)])),
        ("orthogonal gradients", filters(vec![Filter::Orthogonal])),
        ("norm sphere", sphere(0.8, false)),
        ("norm sphere, each tensor", sphere(1.2, true)),
    ];
    // Without b_K, whose gradient is 0: of what rounding leaves of it Adam and Lion make steps.
    let architecture = transformer(1, |t| {
        (t.norm, t.attention_biases) = (Norm::Pre, Bias::None);
    });
    let with = |((name, recipe), seed): (&(&str, Recipe), i64)| {
        Ok(Case {
            name: (*name).to_owned(),
            cell: cell(&architecture, &Loss::PUBLISHED, recipe, seed)?,
        })
    };
    recipes.iter().zip(1..).map(with).collect()
}

/// Minibatches of which the last is smaller.
pub(crate) fn batched(seed: i64) -> Result<RecordedCell, EngineError> {
    let mut cell = cell(
        &mlp(Activation::Tanh),
        &Loss::PUBLISHED,
        &Recipe::published(),
        seed,
    )?;
    let count = cell.cell.train.len() as u32;
    cell.batches = Some(Batches::new(seed, count, 4).map_err(wrong)?);
    Ok(cell)
}
