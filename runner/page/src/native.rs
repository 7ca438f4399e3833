//! The native run on the page: thinned curves, and the embedding after some epochs.

use grokrun_engine::EpochRow;
use serde::Serialize;

use crate::wire::{numbers, words};

/// The most points of a curve: more than there are pixels.
const MOST_POINTS: usize = 2048;

/// The run, with numbers as base64 of f32, and of u32 for epochs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Native {
    device: String,
    epochs: String,
    train_loss: String,
    test_loss: String,
    train_accuracy: String,
    test_accuracy: String,
    embeddings: Vec<Embedding>,
}

#[derive(Serialize)]
struct Embedding {
    epoch: u64,
    rows: String,
}

impl Native {
    pub(crate) fn of(device: &str, rows: &[EpochRow], embeddings: &[(u64, Vec<f32>)]) -> Native {
        let kept = kept(rows.len());
        let curve = |of: fn(&EpochRow) -> f64| {
            let curve: Vec<f32> = kept.iter().map(|i| of(&rows[*i]) as f32).collect();
            numbers(&curve)
        };
        // No run has 2³² epochs.
        let epochs: Vec<u32> = kept.iter().map(|i| *i as u32).collect();
        let embedding = |(epoch, rows): &(u64, Vec<f32>)| Embedding {
            epoch: *epoch,
            rows: numbers(rows),
        };
        Native {
            device: device.to_owned(),
            epochs: words(&epochs),
            train_loss: curve(|row| row.train_loss),
            test_loss: curve(|row| row.test_loss),
            train_accuracy: curve(|row| row.train_accuracy),
            test_accuracy: curve(|row| row.test_accuracy),
            embeddings: embeddings.iter().map(embedding).collect(),
        }
    }
}

/// The epochs that are kept: all, or evenly spread ones and the last.
fn kept(count: usize) -> Vec<usize> {
    let step = count.div_ceil(MOST_POINTS).max(1);
    let mut kept: Vec<usize> = (0..count).step_by(step).collect();
    if kept.last().is_some_and(|last| *last + 1 < count) {
        kept.push(count - 1);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_curve_stay_and_the_rest_is_bounded() {
        for count in [0, 1, 2, 2048, 2049, 40_000] {
            let kept = kept(count);
            assert!(kept.len() <= MOST_POINTS + 1, "{count}");
            assert_eq!(kept.first().copied(), (count > 0).then_some(0));
            assert_eq!(kept.last().copied(), count.checked_sub(1));
            assert!(kept.is_sorted());
        }
        assert_eq!(kept(2048).len(), 2048);
    }
}
