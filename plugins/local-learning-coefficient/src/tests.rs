//! Losses whose coefficient is known, and chains that cannot be trusted.

use grokrun_api::testing::{Flat, Quadratic, Recorder, add, analyse_loss, at_weights};
use grokrun_api::{LossAt, TrainLoss};

use super::*;

const D: usize = 40;

/// Long enough for the flattest of the directions below.
fn long() -> Config {
    Config {
        chains: 4,
        draws: 1500,
        burn_in: 500,
        gamma: 0.0,
        n_beta: 50.0,
        ..Config::default()
    }
}

fn of(loss: impl TrainLoss + 'static, config: Config) -> Recorder {
    let data = at_weights(300, &[0.0; D]);
    analyse_loss::<LocalLearningCoefficient>(config, &add(11), &[data], loss)
}

fn quadratic(curved: usize) -> Quadratic {
    let eigenvalue = |i: usize| {
        if i < curved {
            0.5 + (i % 5) as f64 / 4.0
        } else {
            0.0
        }
    };
    Quadratic {
        eigenvalues: (0..D).map(eigenvalue).collect(),
        floor: 0.25,
        turned: true,
    }
}

#[test]
fn a_regular_model_has_half_its_dimension() {
    let found = of(quadratic(D), long());
    let last = |series: &str| found.last(series).unwrap();
    let coefficient = last("coefficient");
    assert!(
        (coefficient / (D as f64 / 2.0) - 1.0).abs() < 0.05,
        "{coefficient}"
    );
    assert!(last("coefficient, standard error") < 0.05 * coefficient);
    assert!((last("loss") - 0.25).abs() < 1e-12);
    assert!(last("acceptance") > 0.9, "{}", last("acceptance"));
    assert_eq!((last("below"), last("diverged")), (0.0, 0.0));
    assert!(
        last("drift").abs() < 0.1 && found.notes().is_empty(),
        "{:?}",
        found.notes()
    );
    assert_eq!(found.table("chains").unwrap().len(), 4);
    assert!(found.figure("coefficient").is_some() && found.figure("chains").is_some());
}

/// Flat directions do not count: the coefficient is half the number of the curved ones. A pull
/// keeps the chain near, and takes γ / (n β h + γ) of each.
#[test]
fn flat_directions_do_not_count_and_the_pull_is_what_is_stated() {
    let config = Config {
        gamma: 1.0,
        ..long()
    };
    let found = of(quadratic(D / 4), config);
    let coefficient = found.last("coefficient").unwrap();
    let h = (0..D / 4).map(|i| 50.0 * (0.5 + (i % 5) as f64 / 4.0));
    let want: f64 = h.map(|h| 0.5 * h / (h + 1.0)).sum();
    assert!(
        (coefficient / want - 1.0).abs() < 0.08,
        "{coefficient} {want}"
    );
    let flat = Config {
        gamma: 1.0,
        draws: 50,
        ..long()
    };
    assert_eq!(of(Flat(2.0), flat).last("coefficient"), Some(0.0));
}

/// The loss (Σ w²)², whose minimum has no curvature: its coefficient is d/4.
#[derive(Debug)]
struct Quartic;

impl TrainLoss for Quartic {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let squares: f64 = ask.weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        let slope = |w: &f32| (4.0 * squares * f64::from(*w)) as f32;
        Ok(LossAt {
            loss: squares * squares,
            gradient: ask.weights.iter().map(slope).collect(),
            ..LossAt::default()
        })
    }
}

#[test]
fn a_singular_model_has_less() {
    let config = Config {
        step: 1e-3,
        draws: 4000,
        ..long()
    };
    let found = of(Quartic, config);
    let coefficient = found.last("coefficient").unwrap();
    assert!(
        (coefficient / (D as f64 / 4.0) - 1.0).abs() < 0.08,
        "{coefficient}"
    );
}

#[test]
fn chains_that_run_away_or_go_down_are_reported() {
    let wild = Config {
        step: 10.0,
        ..long()
    };
    let found = of(quadratic(D), wild);
    assert!(found.last("coefficient").unwrap().is_nan());
    assert_eq!(found.last("diverged"), Some(4.0));
    assert!(found.notes()[0].contains("diverged"), "{:?}", found.notes());
    // Far from the minimum the draws have lower losses.
    let data = at_weights(1, &[3.0; D]);
    let far = Config {
        step: 1e-3,
        draws: 100,
        ..long()
    };
    let found = analyse_loss::<LocalLearningCoefficient>(far, &add(11), &[data], quadratic(D));
    assert!(found.last("coefficient").unwrap() < 0.0);
    assert!(found.notes().iter().any(|note| note.contains("no minimum")));
}

#[test]
fn wrong_parameters_are_named_and_the_same_seed_draws_the_same() {
    for (config, name) in [
        (
            Config {
                chains: 1,
                ..long()
            },
            "chains",
        ),
        (
            Config {
                gamma: -1.0,
                ..long()
            },
            "gamma",
        ),
        (
            Config {
                step: f64::NAN,
                ..long()
            },
            "step",
        ),
    ] {
        let why = LocalLearningCoefficient::check(&config)
            .unwrap_err()
            .to_string();
        assert!(why.contains(name), "{why}");
    }
    let short = |seed| Config {
        draws: 20,
        burn_in: 0,
        seed,
        ..long()
    };
    let drawn = |seed| of(quadratic(D), short(seed)).last("coefficient");
    assert_eq!(drawn(3), drawn(3));
    assert_ne!(drawn(3), drawn(4));
}
