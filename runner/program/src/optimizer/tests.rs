use super::*;
use crate::architecture::Norm;
use crate::examples::transformer;
use crate::parameters::{Parameter, Parameters, Role};

fn parameters() -> Parameters {
    Parameters::new(&transformer(2, Norm::Pre)).unwrap()
}

fn group(matching: &str) -> Group {
    Group {
        matching: matching.into(),
        learning_rate: None,
        weight_decay: None,
        frozen: false,
    }
}

fn named(name: &str) -> Parameter {
    let parameters = parameters();
    let place = parameters.position(name).unwrap();
    parameters.get(place).unwrap().clone()
}

#[test]
fn stars_match_anything() {
    let cases = [
        ("embed.W_E", "embed.W_E", true),
        ("embed.*", "embed.W_E", true),
        ("embed.*", "unembed.W_U", false),
        ("*embed.*", "unembed.W_U", true),
        ("blocks.*.mlp.*", "blocks.1.mlp.W_in", true),
        ("blocks.*.mlp.*", "blocks.1.attn.W_Q", false),
        ("*", "", true),
        ("*_E", "embed.W_E", true),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(group(pattern).matches(name), expected, "{pattern} {name}");
    }
}

#[test]
fn the_last_group_that_matches_counts() {
    let recipe = Recipe {
        groups: vec![
            Group {
                weight_decay: Some(0.0),
                ..group("blocks.*")
            },
            Group {
                learning_rate: Some(0.5),
                ..group("blocks.1.*")
            },
            Group {
                frozen: true,
                ..group("unembed.*")
            },
        ],
        ..Recipe::published()
    };
    recipe.check(&parameters()).unwrap();
    let settings = |name: &str| recipe.settings(&named(name));
    assert_eq!(settings("blocks.0.mlp.W_in").unwrap().weight_decay, 0.0);
    let later = settings("blocks.1.mlp.W_in").unwrap();
    assert_eq!((later.learning_rate, later.weight_decay), (0.5, 1.0));
    assert_eq!(settings("unembed.W_U"), None);
}

#[test]
fn muon_leaves_vectors_and_embeddings_to_adamw() {
    let muon = Muon {
        momentum: 0.95,
        others: Others {
            rule: AdamW::PUBLISHED,
            learning_rate: 3e-3,
            weight_decay: 0.5,
        },
    };
    let recipe = Recipe {
        rule: Rule::Muon(muon),
        ..Recipe::published()
    };
    for parameter in parameters().iter() {
        let settings = recipe.settings(parameter).unwrap();
        let matrix = matches!(parameter.role, Role::Projection | Role::Hidden);
        assert_eq!(
            matches!(settings.rule, Rule::Muon(_)),
            matrix,
            "{}",
            parameter.name
        );
        assert_eq!(settings.learning_rate, if matrix { 1e-3 } else { 3e-3 });
    }
}

#[test]
fn warm_up_rises_from_nothing() {
    let settings = |step| {
        let settings = Settings {
            rule: Rule::AdamW(AdamW::PUBLISHED),
            learning_rate: 1e-3,
            weight_decay: 1.0,
            warmup: 10,
        };
        settings.coefficients(step)
    };
    let [keep, rate, ..] = settings(0);
    assert_eq!((keep, rate), (1.0, 0.0));
    assert!((settings(5)[0] - (1.0 - 5e-4)).abs() < 1e-15);
    assert_eq!(settings(10_000)[1], 1e-3);
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let broken = |change: fn(&mut Recipe)| {
        let mut recipe = Recipe::published();
        change(&mut recipe);
        recipe.check(&parameters()).unwrap_err().to_string()
    };
    let cases = [
        (
            broken(|r| r.learning_rate = -1.0),
            "the learning rate is -1",
        ),
        (
            broken(|r| r.weight_decay = f64::NAN),
            "the weight decay is NaN",
        ),
        (
            broken(|r| {
                r.rule = Rule::AdamW(AdamW {
                    betas: [0.9, 1.0],
                    epsilon: 1e-8,
                });
            }),
            "a beta is 1; expected at least 0 and less than 1",
        ),
        (
            broken(|r| {
                r.rule = Rule::Adam(Adam {
                    betas: [0.9, 0.98],
                    epsilon: 1e-60,
                });
            }),
            "epsilon is",
        ),
        (
            broken(|r| {
                r.rule = Rule::Sgd(Sgd {
                    momentum: 0.0,
                    dampening: 0.0,
                    nesterov: true,
                });
            }),
            "for Nesterov's form",
        ),
        (
            broken(|r| {
                r.filters = vec![Filter::GrokfastMa(GrokfastMa {
                    window: 0,
                    lambda: 1.0,
                })];
            }),
            "window is 0; expected 1 to 1000",
        ),
        (
            broken(|r| r.filters = vec![Filter::Clip(Clip { most: 0.0 })]),
            "clipped to is 0",
        ),
        (
            broken(|r| {
                r.sphere = Some(Sphere {
                    multiple: 0.0,
                    each: false,
                });
            }),
            "the sphere is 0",
        ),
        (
            broken(|r| r.groups = vec![group("blocks.7.*")]),
            "no parameter is called",
        ),
        (
            broken(|r| {
                r.groups = vec![Group {
                    frozen: true,
                    ..group("*")
                }];
            }),
            "every parameter is frozen",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_orthogonal_gradient_keeps_its_length_and_leaves_the_weights() {
    let weights = [1.0, -2.0, 0.5f64];
    let mut gradient = [0.3, 0.4, -1.2];
    let before: f64 = gradient.iter().map(|g| g * g).sum();
    orthogonal(&weights, &mut gradient);
    let along: f64 = weights.iter().zip(&gradient).map(|(w, g)| w * g).sum();
    let after: f64 = gradient.iter().map(|g| g * g).sum();
    assert!(along.abs() < 1e-15 && (after - before).abs() < 1e-15);
    let mut nothing = [0.0; 3];
    orthogonal(&weights, &mut nothing);
    assert_eq!(nothing, [0.0; 3]);
}

#[test]
fn newton_schulz_flattens_singular_values() {
    // Five iterations leave singular values from 0.7 to 1.2, so the result is orthogonal up to
    // that.
    let matrix = [3.0, 0.0, 0.0, 0.0, 0.2, 0.0f64];
    let flat = newton_schulz(&matrix, 2, 3, &mut Loops);
    assert!(
        (0.6..1.3).contains(&flat[0]) && (0.6..1.3).contains(&flat[4]),
        "{flat:?}"
    );
}
