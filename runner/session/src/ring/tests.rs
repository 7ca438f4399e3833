//! Compares the ring with the rule in plain words, on planted histories: for each pair of epochs.

use grokrun_store::Row;

use super::*;

fn spacing(every: u64, ring: u64) -> Spacing {
    Spacing {
        every,
        log: false,
        ring,
    }
}

/// A history of this test accuracy, tested after every so many epochs.
fn history(epochs: u64, evaluate: u64, accuracy: impl Fn(u64) -> f64) -> Metrics {
    let mut metrics = Metrics::default();
    for epoch in 0..epochs {
        let tested = (epoch + 1).is_multiple_of(evaluate);
        metrics.push(Row {
            epoch,
            train_loss: 1.0,
            test_loss: 1.0,
            train_accuracy: 1.0,
            test_accuracy: if tested {
                accuracy(epoch + 1)
            } else {
                f64::NAN
            },
        });
    }
    metrics
}

/// A transition around epoch 600, with noise before it.
fn transition(epoch: u64) -> f64 {
    let x = (epoch as f64 - 600.0) / 25.0;
    0.97 / (1.0 + (-x).exp()) + 0.03 * ((epoch * 7 % 13) as f64 / 13.0)
}

/// The rule: state h is written if some state e from h on, fewer than `ring` steps later, sees the
/// best accuracy grow by [`MOVES`] over `ring` steps.
fn by_the_rule(every: u64, ring: u64, metrics: &Metrics) -> BTreeSet<u64> {
    let step = every.div_ceil(ring);
    let accuracies = metrics.columns()[3];
    let best = |epoch: u64| {
        let before = accuracies.iter().take(epoch as usize);
        before.copied().filter(|a| !a.is_nan()).reduce(f64::max)
    };
    let first = accuracies.iter().copied().find(|a| !a.is_nan());
    let moves = |epoch: u64| {
        let old = best(epoch.saturating_sub(ring * step)).or(first);
        best(epoch)
            .zip(old)
            .is_some_and(|(now, old)| now - old >= MOVES)
    };
    let states = || (1..=metrics.len() as u64).filter(|epoch| epoch % step == 0);
    let written = |held: &u64| states().any(|e| e >= *held && e < held + ring * step && moves(e));
    states().filter(written).collect()
}

/// What a ring hands out that takes each state, stopped after `stop` epochs.
fn handed_out(spacing: Spacing, metrics: &Metrics, stop: u64) -> BTreeSet<u64> {
    let empty = Metrics::default();
    let mut ring = Ring::replay(spacing, &empty, Vec::new());
    let mut out = BTreeSet::new();
    let mut before = Metrics::default();
    for row in metrics.rows() {
        if row.epoch == stop {
            let mut tensors = Vec::new();
            ring.iter().for_each(|ring| ring.save(&mut tensors));
            let held = saved(&mut tensors);
            assert!(tensors.is_empty());
            ring = Ring::replay(spacing, &before, held);
        }
        before.push(row);
        let Some(now) = &mut ring else { continue };
        now.see(row.test_accuracy);
        if now.is_due() {
            let weights = Tensor {
                name: "embed.W_E".to_owned(),
                shape: vec![1],
                data: vec![row.epoch as f32 + 1.0],
            };
            for held in now.take(Some(vec![weights])) {
                assert_eq!(held.tensors[0].name, "embed.W_E");
                assert_eq!(held.tensors[0].data, [held.epoch as f32]);
                assert!(out.insert(held.epoch), "{} is written twice", held.epoch);
            }
            assert!(now.held.len() as u64 <= spacing.ring);
        }
        if now.is_over() {
            ring = None;
        }
    }
    out
}

#[test]
fn what_is_written_follows_the_rule() {
    for (every, ring, evaluate) in [
        (100, 20, 1),
        (100, 20, 7),
        (100, 7, 1),
        (3, 5, 1),
        (50, 1, 3),
    ] {
        let metrics = history(1500, evaluate, transition);
        let wanted = by_the_rule(every, ring, &metrics);
        let spacing = spacing(every, ring);
        assert!(!wanted.is_empty() && wanted.len() < 1500 / 2);
        assert_eq!(
            written(spacing, 0, 1500, &metrics),
            wanted,
            "{every} {ring}"
        );
        assert!(wanted.len() as u64 <= most_written(spacing, 1500));
        for stop in [0, 501, 590, 603, 610, 900, 1499] {
            assert_eq!(
                handed_out(spacing, &metrics, stop),
                wanted,
                "{every} {ring} {stop}"
            );
        }
    }
}

#[test]
fn the_transition_is_covered_from_before_to_behind() {
    let metrics = history(1500, 1, transition);
    let written = written(spacing(100, 20), 0, 1500, &metrics);
    let (first, last) = (written.first().unwrap(), written.last().unwrap());
    assert!(transition(*first) < 0.05 && transition(*last) > 0.95);
    let dense = (*first..=*last).step_by(5);
    assert!(dense.eq(written.iter().copied()), "no gap in between");
}

#[test]
fn what_does_not_move_writes_nothing_and_what_cannot_move_holds_nothing() {
    let slow = |epoch: u64| epoch as f64 / 40_000.0;
    let metrics = history(1500, 1, slow);
    assert!(written(spacing(100, 20), 0, 1500, &metrics).is_empty());
    let ring = Ring::replay(spacing(100, 20), &metrics, Vec::new());
    assert!(ring.is_some());
    let metrics = history(1500, 1, transition);
    assert!(Ring::replay(spacing(100, 20), &metrics, Vec::new()).is_none());
    assert!(Ring::replay(spacing(100, 0), &metrics, Vec::new()).is_none());
}

#[test]
fn a_ring_that_begins_on_the_way_has_no_state_of_before() {
    let metrics = history(1500, 1, transition);
    let all = written(spacing(100, 20), 0, 1500, &metrics);
    let later = written(spacing(100, 20), 580, 1500, &metrics);
    assert!(later.iter().eq(all.iter().filter(|epoch| **epoch > 580)));
    let until = written(spacing(100, 20), 0, 580, &metrics);
    assert!(until.iter().all(|epoch| *epoch <= 580));
}

#[test]
fn what_is_written_is_bounded_whatever_the_accuracy_does() {
    // Each ring of its own grows by just enough, and then nothing: the most that can be written.
    let stairs = |epoch: u64| (epoch / 210) as f64 * 0.051;
    let metrics = history(20 * 210, 1, stairs);
    let spacing = spacing(100, 20);
    let written = written(spacing, 0, 20 * 210, &metrics).len() as u64;
    assert!(written > 600 && written <= most_written(spacing, 20 * 210));
    assert_eq!(most_written(spacing, 1_000_000), 800);
    assert_eq!(most_written(spacing, 1000), 200);
}
