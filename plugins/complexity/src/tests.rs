//! Matrices whose description is known to be short or long.

use grokrun_api::testing::{Flat, Recorder, add, analyse_loss};
use grokrun_api::{LossAt, Numbers, SnapshotData, TrainLoss};

use super::*;

const N: usize = 32;

/// The loss ½ h |w − w₀|² of the matrix w₀.
#[derive(Debug)]
struct Near {
    weights: Vec<f32>,
    h: f64,
}

impl TrainLoss for Near {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let pairs = ask.weights.iter().zip(&self.weights);
        let away = pairs.map(|(w, o)| (f64::from(*w) - f64::from(*o)).powi(2));
        Ok(LossAt {
            loss: 0.5 * self.h * away.sum::<f64>(),
            ..LossAt::default()
        })
    }
}

fn of(weights: &[f32], loss: impl TrainLoss + 'static) -> Recorder {
    let mut data = SnapshotData::new(9);
    data.add("trained.w", &[N, N], Numbers::F32(weights.to_vec()));
    analyse_loss::<Complexity>(Config::default(), &add(5), &[data], loss)
}

fn bits(weights: &[f32], h: f64) -> f64 {
    let weights = weights.to_vec();
    let loss = Near {
        weights: weights.clone(),
        h,
    };
    let found = of(&weights, loss);
    assert!(found.last("loss").unwrap() <= 0.01);
    found.last("description length").unwrap()
}

/// A grid of Δ has the mean square error Δ²/12, so that a loss of h Δ² N²/24 bounds Δ; a Gaussian
/// of variance 1 takes ½ log₂(2πe) − log₂ Δ bits a number.
#[test]
fn noise_takes_the_bits_of_its_precision() {
    let noise = gaussian(4, N * N);
    for h in [1.0, 100.0] {
        let numbers = (N * N) as f64;
        let step = (0.01 * 24.0 / (h * numbers)).sqrt();
        let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).log2();
        let want = numbers * (entropy - step.log2());
        let found = bits(&noise, h);
        assert!((found / want - 1.0).abs() < 0.1, "{h}: {found} {want}");
    }
}

#[test]
fn a_matrix_of_low_rank_and_one_of_few_values_are_shorter_than_noise() {
    let noise = gaussian(4, N * N);
    let (u, v) = (gaussian(5, N), gaussian(6, N));
    let low: Vec<f32> = (0..N * N).map(|i| u[i / N] * v[i % N]).collect();
    let signs: Vec<f32> = noise.iter().map(|x| x.signum()).collect();
    let of_noise = bits(&noise, 100.0);
    assert!(bits(&low, 100.0) < 0.2 * of_noise, "{}", bits(&low, 100.0));
    assert!(bits(&signs, 100.0) < 0.8 * of_noise);
    let loss = Near {
        weights: low.clone(),
        h: 100.0,
    };
    let found = of(&low, loss);
    let last = |series: &str| found.last(series).unwrap();
    assert!((last("rank") - 1.0 / N as f64).abs() < 1e-12);
    assert!(last("description length, noise") > last("description length"));
    assert!(last("spectral entropy") < 1e-3);
    assert!(found.figure("complexity").is_some() && found.figure("entropy").is_some());
}

#[test]
fn a_flat_loss_needs_next_to_nothing_and_a_hopeless_one_is_reported() {
    let noise = gaussian(4, N * N);
    let flat = of(&noise, Flat(1.0));
    assert!(flat.last("bits a weight").unwrap() < 0.5);
    let steep = Near {
        weights: noise.clone(),
        h: 1e12,
    };
    let found = of(&noise, steep);
    assert_eq!(found.last("description length"), None);
    assert!(
        found.notes()[0].contains("at epoch 9 no grid"),
        "{:?}",
        found.notes()
    );
}

/// The loss of a matrix that is better without its second singular value, and worse when its
/// numbers are only moved.
#[derive(Debug)]
struct Better {
    weights: Vec<f32>,
}

impl TrainLoss for Better {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let loss = if ask.weights == self.weights {
            1.0
        } else if ask.weights[N + 1].abs() < 1e-6 {
            0.0
        } else {
            2.0
        };
        Ok(LossAt {
            loss,
            ..LossAt::default()
        })
    }
}

#[test]
fn a_higher_threshold_may_keep_the_loss_where_a_lower_one_does_not() {
    let mut weights = vec![0.0; N * N];
    (weights[0], weights[N + 1]) = (1.0, 0.3);
    let loss = Better {
        weights: weights.clone(),
    };
    let found = of(&weights, loss);
    assert_eq!(found.last("threshold"), Some(0.35));
    assert_eq!(found.last("loss"), Some(0.0));
}
