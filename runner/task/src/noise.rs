//! Redraws a share of the training labels, which are then wrong on purpose. Owns which labels are
//! redrawn and how. Knows nothing of data sets: labels come in the order of training.

use std::num::NonZeroU64;

use crate::torch::Generator;

/// Why labels cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoiseError {
    /// The share is not a number from 0 to 1.
    #[error("the share of noisy labels is {share}; expected a number from 0 to 1")]
    Share {
        /// The share that was given.
        share: f64,
    },
    /// There are no classes to draw from.
    #[error("there are no classes to draw labels from; expected at least 1")]
    NoClasses,
}

/// Returns training labels of which the first ⌊share · count⌋ are drawn anew, as the code of Doshi
/// et al. 2023 does it: `torch.manual_seed(seed)`, then `torch.randint(0, classes, (k,))`.
///
/// The labels are those of the training part in its order, which is random, so its beginning is a
/// random sample. A draw may hit the true label: a share of 1 gives random labels throughout.
///
/// ```
/// // Two of six labels.
/// let labels = grokrun_task::noisy_labels(&[5, 5, 5, 5, 5, 5], 23, 0.35, 0)?;
/// assert_eq!(labels, [19, 4, 5, 5, 5, 5]);
/// # Ok::<(), grokrun_task::NoiseError>(())
/// ```
///
/// # Errors
/// The share is not in 0..=1, or there are no classes.
pub fn noisy_labels(
    labels: &[u32],
    classes: u32,
    share: f64,
    seed: i64,
) -> Result<Vec<u32>, NoiseError> {
    noisy_labels_drawn(labels, classes, share, &mut Generator::new(seed))
}

/// Returns the same labels, drawn from a generator that is already in use and is used afterwards:
/// the published code draws its model from the numbers that follow the noise.
///
/// # Errors
/// Those of [`noisy_labels`].
pub fn noisy_labels_drawn(
    labels: &[u32],
    classes: u32,
    share: f64,
    generator: &mut Generator,
) -> Result<Vec<u32>, NoiseError> {
    if !(0.0..=1.0).contains(&share) {
        return Err(NoiseError::Share { share });
    }
    let classes = NonZeroU64::new(u64::from(classes)).ok_or(NoiseError::NoClasses)?;
    // Python's int(share * count): the product in double precision, then cut off.
    let noisy = (labels.len() as f64 * share) as usize;
    let mut labels = labels.to_vec();
    for label in labels.iter_mut().take(noisy) {
        // The draw is below the number of classes, which has 32 bits.
        *label = generator.random_below(classes) as u32;
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{json, numbers, sha256_of_i64};
    use crate::{Dataset, Operation, Stream};

    #[test]
    fn labels_are_those_of_the_published_setting() {
        let golden = json(include_str!("../fixtures/noise.json"));
        let operation = Operation::parse("add").unwrap();
        let data = Dataset::new(&operation, 23).unwrap();
        let split = data.split(0.5, 420, Stream::Python).unwrap();
        assert_eq!(
            sha256_of_i64(&split.train),
            golden["sha256_train_indices_i64le"]
        );
        assert_eq!(
            sha256_of_i64(&split.test),
            golden["sha256_test_indices_i64le"]
        );
        let clean: Vec<u32> = split
            .train
            .iter()
            .map(|pair| data.label(*pair).unwrap())
            .collect();
        let noisy = noisy_labels(&clean, 23, 0.35, 0).unwrap();
        assert_eq!(noisy, numbers(&golden["train_labels"]));
        assert_ne!(noisy, clean);
        // 92 labels are redrawn: ⌊0.35 · 264⌋.
        assert_eq!(noisy[92..], clean[92..]);
    }

    #[test]
    fn a_share_of_0_changes_nothing_and_a_share_of_1_leaves_nothing() {
        let clean = vec![0; 1000];
        assert_eq!(noisy_labels(&clean, 97, 0.0, 3).unwrap(), clean);
        let random = noisy_labels(&clean, 97, 1.0, 3).unwrap();
        assert!(random.iter().all(|label| *label < 97));
        let hits = random.iter().filter(|label| **label == 0).count();
        assert!((1..30).contains(&hits), "{hits}");
        assert_eq!(noisy_labels(&[], 97, 1.0, 3).unwrap(), [0; 0]);
        assert_eq!(noisy_labels(&[0, 0], 1, 1.0, 3).unwrap(), [0, 0]);
    }

    #[test]
    fn a_generator_goes_on_behind_the_noise() {
        let (mut drawn, mut by_hand) = (Generator::new(0), Generator::new(0));
        noisy_labels_drawn(&[7; 40], 97, 0.25, &mut drawn).unwrap();
        for _ in 0..10 {
            by_hand.random_below(NonZeroU64::new(97).unwrap());
        }
        assert_eq!(drawn.uniform_f32(), by_hand.uniform_f32());
    }

    #[test]
    fn wrong_shares_are_refused() {
        for share in [-0.1, 1.1, f64::INFINITY] {
            let refused = noisy_labels(&[1], 2, share, 0);
            assert_eq!(refused, Err(NoiseError::Share { share }));
        }
        assert!(noisy_labels(&[1], 2, f64::NAN, 0).is_err());
        assert_eq!(noisy_labels(&[], 0, 0.5, 0), Err(NoiseError::NoClasses));
    }
}
