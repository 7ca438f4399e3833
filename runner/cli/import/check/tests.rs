//! Histories that are made up, and models whose losses are known: what is found out of them.

use grokrun_exchange::{Biases, Body, History, Kind, Norm, Task, TransformerSizes};

use super::*;

fn with(train_loss: f64, train_accuracy: f64) -> Adopted {
    Adopted {
        train_loss,
        test_loss: train_loss,
        train_accuracy,
        test_accuracy: train_accuracy,
    }
}

/// Makes a file whose losses fall by a third an epoch, and whose test losses are twice the train
/// losses: `later` steps after the epoch that a checkpoint is named after.
fn facts(test_before_step: bool, later: i32) -> Facts {
    let loss = |epoch: i32| 0.7f64.powi(epoch - later);
    let moved = if test_before_step { 0 } else { 1 };
    let column = |factor: f64, moved: i32| (0..20).map(|e| factor * loss(e + moved)).collect();
    Facts {
        kind: Kind::Published,
        layout: "TransformerLens'",
        modulus: 5,
        outputs: 5,
        heads_known: true,
        no_norm: true,
        scale: None,
        body: Body::Transformer(TransformerSizes {
            layers: 1,
            d_model: 4,
            heads: 1,
            d_head: 4,
            d_mlp: Some(4),
            separator: true,
            norm: Norm::None,
        }),
        of_sums: false,
        mask: None,
        rate: None,
        biases: Biases::Frozen,
        activation: None,
        model_seed: None,
        epochs: vec![0, 5, 10],
        history: Some(History {
            columns: [column(1.0, 0), column(2.0, moved), vec![], vec![]],
        }),
        split: None,
        conventions: Conventions::default(),
        record: [None; 2],
        ours: false,
        task: Task::default(),
        notes: Vec::new(),
    }
}

/// Returns the computed losses of the three checkpoints of [`facts`], off by a factor.
fn computed(records: &Records<'_>, factor: f64) -> Vec<Computed> {
    let one = |sample: &Sample| {
        let loss = factor * 0.7f64.powi(sample.epoch as i32);
        let mut one = with(loss, 1.0);
        one.test_loss = 2.0 * loss;
        (one, None)
    };
    records.samples.iter().map(one).collect()
}

#[test]
fn recorded_losses_tell_one_way_from_another_and_say_what_they_are() {
    let words = ["relu".to_owned(), "gelu".to_owned()];
    for (before, later) in [(false, 0), (true, 0), (false, 1)] {
        let facts = facts(before, later);
        let records = Records::new(&facts, &facts.epochs);
        assert_eq!(records.samples.len(), 3);
        let both = [computed(&records, 2.0), computed(&records, 1.001)];
        let found = records.compare(&both, &words).unwrap();
        assert_eq!(
            (found.variant, found.sure, &found.warning),
            (1, true, &None)
        );
        assert_eq!(found.conventions.test_before_step, before);
        let said = found.notes.join("; ");
        assert!(said.contains("nothing but gelu fits"), "{said}");
        assert_eq!(said.contains("taken before the step"), before, "{said}");
        assert_eq!(said.contains("one step later"), later == 1, "{said}");
    }
}

#[test]
fn what_is_not_distinguished_stays_as_published_and_what_does_not_fit_is_a_warning() {
    let words = ["relu".to_owned(), "gelu".to_owned()];
    let facts = facts(false, 0);
    let records = Records::new(&facts, &facts.epochs);
    let alike = [computed(&records, 1.002), computed(&records, 1.001)];
    let found = records.compare(&alike, &words).unwrap();
    assert_eq!((found.variant, found.sure), (0, false));
    assert!(found.notes[0].contains("other ways"), "{:?}", found.notes);
    let neither = [computed(&records, 3.0), computed(&records, 2.0)];
    let found = records.compare(&neither, &words).unwrap();
    let warning = found.warning.unwrap();
    assert!(
        warning.contains("with relu") && warning.contains("with gelu"),
        "{warning}"
    );
    // A loss that one meaning has not got speaks for no other one.
    let mut odd = facts.clone();
    if let Some(history) = &mut odd.history {
        history.columns[0][10] = 9.0;
        history.columns[0].truncate(11);
    }
    odd.epochs = vec![10];
    let records = Records::new(&odd, &odd.epochs);
    let found = records
        .compare(&[computed(&records, 1.0)], &words[..1])
        .unwrap();
    assert!(
        found.warning.is_some() && found.notes.is_empty(),
        "{found:?}"
    );
    // Nothing recorded, nothing said; a single loss is compared as it is.
    let none = Facts {
        history: None,
        ..facts.clone()
    };
    let records = Records::new(&none, &none.epochs);
    assert!(records.samples.is_empty() && records.compare(&[vec![]], &words[..1]).is_none());
    let single = Facts {
        record: [Some(0.7f64.powi(10)), None],
        ..none
    };
    let records = Records::new(&single, &single.epochs);
    let one = [computed(&records, 1.0)];
    assert_eq!(
        records.compare(&one, &["".to_owned()]).unwrap().warning,
        None
    );
}

#[test]
fn without_a_record_the_published_way_is_left_only_for_a_better_one() {
    let of = |found: &[(f64, f64)]| {
        let found: Vec<Adopted> = found.iter().map(|(l, a)| with(*l, *a)).collect();
        by_training(&found)
    };
    assert_eq!(of(&[(1e-7, 1.0), (2e-7, 1.0)]), 0);
    assert_eq!(of(&[(1.41e-7, 1.0), (7.1e-8, 1.0)]), 1);
    assert_eq!(of(&[(1.0e-7, 1.0), (0.95e-7, 1.0)]), 0);
    // Neither fits: nothing is known.
    assert_eq!(of(&[(20.0, 0.1), (10.0, 0.2)]), 0);
    assert_eq!(of(&[(3.0, 0.5), (4e-3, 1.0)]), 1);
}
