//! 23 optimizers on 20 fixed gradients, in f32 and in f64.

use grokrun_program::{
    Adam, AdamW, Clip, Data, Filter, GrokfastEma, GrokfastMa, Group, Interpreter, Lion, Loops,
    Muon, Others, Parameter, Parameters, Program, Real, Recipe, Role, Rule, Sgd, Sphere, Stage,
    Table, TableId, newton_schulz, train,
};

use crate::{Tensors, apart};

/// The steps, from 1, whose weights are kept.
const KEPT: [usize; 6] = [1, 2, 3, 6, 10, 20];

const ADAMW: AdamW = AdamW::PUBLISHED;

fn adamw() -> Recipe {
    Recipe {
        rule: Rule::AdamW(ADAMW),
        learning_rate: 1e-2,
        weight_decay: 0.1,
        ..Recipe::published()
    }
}

fn sgd(weight_decay: f64, momentum: f64, dampening: f64, nesterov: bool) -> Recipe {
    Recipe {
        rule: Rule::Sgd(Sgd {
            momentum,
            dampening,
            nesterov,
        }),
        learning_rate: 0.1,
        weight_decay,
        ..adamw()
    }
}

fn adam(weight_decay: f64) -> Recipe {
    Recipe {
        rule: Rule::Adam(Adam {
            betas: ADAMW.betas,
            epsilon: ADAMW.epsilon,
        }),
        weight_decay,
        ..adamw()
    }
}

fn epsilon(epsilon: f64) -> Recipe {
    Recipe {
        rule: Rule::AdamW(AdamW { epsilon, ..ADAMW }),
        ..adamw()
    }
}

fn muon() -> Recipe {
    Recipe {
        rule: Rule::Muon(Muon {
            momentum: 0.95,
            others: Others {
                rule: ADAMW,
                learning_rate: 1e-2,
                weight_decay: 0.1,
            },
        }),
        learning_rate: 0.02,
        ..adamw()
    }
}

fn filtered(filter: Filter, recipe: Recipe) -> Recipe {
    Recipe {
        filters: vec![filter],
        ..recipe
    }
}

fn on_sphere(each: bool) -> Recipe {
    Recipe {
        sphere: Some(Sphere {
            multiple: 1.0,
            each,
        }),
        ..adamw()
    }
}

fn grouped() -> Recipe {
    let group = |name: &str, learning_rate, weight_decay| Group {
        matching: name.into(),
        learning_rate: Some(learning_rate),
        weight_decay: Some(weight_decay),
        frozen: false,
    };
    Recipe {
        groups: vec![
            group("A", 1e-2, 1.0),
            group("B", 1e-3, 0.0),
            group("C", 0.0, 1.0),
        ],
        ..adamw()
    }
}

fn recipes() -> Vec<(&'static str, Recipe)> {
    let ema = GrokfastEma {
        alpha: 0.98,
        lambda: 2.0,
    };
    let ma = GrokfastMa {
        window: 5,
        lambda: 5.0,
    };
    vec![
        ("sgd", sgd(0.0, 0.0, 0.0, false)),
        ("sgd_wd", sgd(0.1, 0.0, 0.0, false)),
        ("sgd_momentum", sgd(0.0, 0.9, 0.0, false)),
        ("sgd_momentum_dampening", sgd(0.0, 0.9, 0.1, false)),
        ("sgd_nesterov_wd", sgd(0.1, 0.9, 0.0, true)),
        ("adam", adam(0.0)),
        ("adam_l2", adam(0.1)),
        ("adamw", adamw()),
        ("adamw_eps", epsilon(1e-2)),
        ("adamw_eps30", epsilon(1e-30)),
        (
            "adamw_warmup10",
            Recipe {
                warmup: 10,
                ..adamw()
            },
        ),
        (
            "adamw_clip1",
            filtered(Filter::Clip(Clip { most: 1.0 }), adamw()),
        ),
        (
            "lion",
            Recipe {
                rule: Rule::Lion(Lion { betas: [0.9, 0.99] }),
                ..adamw()
            },
        ),
        ("muon", muon()),
        ("muon_bf16", muon()),
        ("muon_torch", muon()),
        (
            "grokfast_ema_adamw",
            filtered(Filter::GrokfastEma(ema), adamw()),
        ),
        (
            "grokfast_ma_adamw",
            filtered(Filter::GrokfastMa(ma), adamw()),
        ),
        ("orthograd_adamw", filtered(Filter::Orthogonal, adamw())),
        (
            "orthograd_sgd",
            filtered(Filter::Orthogonal, sgd(0.0, 0.0, 0.0, false)),
        ),
        ("sphere_adamw", on_sphere(false)),
        ("sphere_each_adamw", on_sphere(true)),
        ("groups_adamw", grouped()),
    ]
}

/// Two matrices and a vector; torch's matrices are `[out, in]`, this crate's `[in, out]`.
const SHAPES: [(&str, [usize; 2]); 3] = [("A", [5, 8]), ("B", [10, 4]), ("C", [1, 7])];

fn program(recipe: &Recipe) -> Program {
    let parameters = SHAPES.map(|(name, [rows, cols])| Parameter {
        name: name.into(),
        shape: if rows == 1 {
            vec![cols]
        } else {
            vec![rows, cols]
        },
        role: if rows == 1 { Role::Bias } else { Role::Hidden },
        trained: true,
    });
    let tables = SHAPES.map(|(name, [rows, cols])| Table {
        name: name.into(),
        rows: grokrun_program::Extent::Once(rows),
        cols,
    });
    let program = Program {
        tokens: 1,
        operands: 1,
        classes: 1,
        parameters: Parameters::from_list(parameters.into()),
        tables: tables.into(),
        ops: Vec::new(),
        stages: Vec::new(),
        slots: Vec::new(),
    };
    train(program, recipe).expect("a program")
}

/// Returns the transpose of a matrix `(rows, cols)`: torch's `[out, in]` becomes `[in, out]`.
fn transposed<X: Copy>(x: &[X], [rows, cols]: [usize; 2]) -> Vec<X> {
    (0..x.len())
        .map(|i| x[(i % cols) * rows + i / cols])
        .collect()
}

/// Takes 20 steps and compares the weights of the steps that are stored.
fn follow<T: Real>(name: &str, recipe: &Recipe, theirs: impl Fn(&str) -> Vec<f64>, allowed: f64) {
    let data = Tensors::read("optim");
    let program = program(recipe);
    let mut model = Interpreter::<T>::new(&program, Data::default(), Data::default()).unwrap();
    let w0 = SHAPES.map(|(tensor, shape)| transposed(&data.f32(&format!("w0/{tensor}")), shape));
    model
        .load(&program.initial_state(w0.concat()).unwrap())
        .unwrap();
    for step in 1..=20 {
        for (place, (tensor, shape)) in SHAPES.into_iter().enumerate() {
            let gradients = data.f32(&format!("grad/{tensor}"));
            let len = shape[0] * shape[1];
            let gradient = transposed(&gradients[(step - 1) * len..step * len], shape);
            let table = program.gradient(TableId(place)).expect("a gradient");
            for (x, g) in model.table_mut(table).iter_mut().zip(gradient) {
                *x = T::from_f32(g);
            }
        }
        model.run(Stage::Update);
        let Some(kept) = KEPT.iter().position(|at| *at == step) else {
            continue;
        };
        for (place, (tensor, [rows, cols])) in SHAPES.into_iter().enumerate() {
            let len = rows * cols;
            let expected = &theirs(tensor)[kept * len..(kept + 1) * len];
            let ours: Vec<f64> = model
                .table(TableId(place))
                .iter()
                .map(|x| x.to_f64())
                .collect();
            let apart = apart(&transposed(&ours, [cols, rows]), expected);
            assert!(apart <= allowed, "{name} {tensor} {step}: {apart:e}");
        }
    }
}

#[test]
fn every_optimizer_takes_torchs_steps() {
    let data = Tensors::read("optim");
    assert_eq!(recipes().len(), 23);
    for (name, recipe) in recipes() {
        // In half precision Newton–Schulz itself is uncertain by this much.
        let half = ["muon_bf16", "muon_torch"].contains(&name);
        let allowed = if half { 2e-2 } else { 2e-6 };
        let theirs = |tensor: &str| -> Vec<f64> {
            let weights = data.f32(&format!("{name}/{tensor}"));
            weights.into_iter().map(f64::from).collect()
        };
        follow::<f32>(name, &recipe, theirs, allowed);
        if !half {
            let theirs = |tensor: &str| data.f64(&format!("{name}/{tensor}/f64"));
            // The norm that this optimizer keeps was computed in f32.
            let rounded = name == "sphere_each_adamw";
            follow::<f64>(name, &recipe, theirs, if rounded { 6e-8 } else { 1e-12 });
        }
    }
}

#[test]
fn newton_schulz_is_torchs() {
    let data = Tensors::read("optim");
    for (tensor, [cols, rows]) in [("A", [5, 8]), ("B", [10, 4])] {
        let len = rows * cols;
        let u: Vec<f64> = data.f32(&format!("grad/{tensor}"))[len..2 * len]
            .iter()
            .map(|x| f64::from(*x))
            .collect();
        let ours = newton_schulz(&u, rows, cols, &mut Loops);
        let theirs = data.f64(&format!("newton_schulz/out_{tensor}_f64"));
        assert!(apart(&ours, &theirs) < 1e-12, "{tensor}");
    }
}
