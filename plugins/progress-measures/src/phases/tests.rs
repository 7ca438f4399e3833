//! The demo's own log, and models that leave phases out.

use super::*;

fn rule() -> Rule {
    Rule {
        memorised: 0.99,
        cleanup: 0.125,
        stable: 10.0,
        hold: 100,
    }
}

#[derive(Default)]
struct Curves {
    train_loss: Vec<f64>,
    train_accuracy: Vec<f64>,
    test_loss: Vec<f64>,
}

impl Curves {
    fn phases(&self) -> Phases {
        let history = History {
            train_loss: &self.train_loss,
            test_loss: &self.test_loss,
            train_accuracy: &self.train_accuracy,
            test_accuracy: &[],
        };
        Phases::of(&history, &rule())
    }
}

/// Losses through these points (epoch, train, test), straight in the logarithm, and a train
/// accuracy of 1 from `memorised` on.
fn curves(points: &[(usize, f64, f64)], memorised: usize) -> Curves {
    let mut curves = Curves::default();
    for pair in points.windows(2) {
        let ((from, train, test), (to, next_train, next_test)) = (pair[0], pair[1]);
        for epoch in from..to {
            let t = (epoch - from) as f64 / (to - from) as f64;
            let between = |a: f64, b: f64| (a.ln() * (1.0 - t) + b.ln() * t).exp();
            curves.train_loss.push(between(train, next_train));
            curves.test_loss.push(between(test, next_test));
            let accuracy = f64::from(u8::from(epoch >= memorised));
            curves.train_accuracy.push(accuracy);
        }
    }
    curves
}

/// The recorded log of the demo's run (doc/published.md#the-demo), memorised by epoch 150.
const DEMO: [(usize, f64, f64); 17] = [
    (0, 4.735, 4.7333),
    (99, 2.94785, 7.55455),
    (199, 0.03195, 20.3076),
    (499, 1.0513e-3, 23.78),
    (999, 5.5146e-6, 30.863),
    (1399, 4.16e-7, 34.10),
    (4999, 3.199e-7, 29.17),
    (7999, 3.03e-7, 25.95),
    (9999, 2.897e-7, 22.26),
    (11999, 2.656e-7, 14.81),
    (12999, 2.380e-7, 7.550),
    (13499, 2.084e-7, 2.962),
    (13999, 1.630e-7, 0.2369),
    (14499, 1.344e-7, 4.89e-3),
    (14999, 1.263e-7, 1.54e-4),
    (15999, 1.162e-7, 3.67e-6),
    (19999, 9.93e-8, 2.61e-7),
];

fn starts(phases: &Phases) -> Vec<(&'static str, usize)> {
    phases.found.iter().map(|p| (p.name, p.from)).collect()
}

#[test]
fn the_demos_lines_are_where_its_authors_drew_them() {
    let phases = curves(&DEMO, 150).phases();
    let found = starts(&phases);
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["memorisation", "circuit formation", "cleanup", "stable"]
    );
    // By hand 1,500, 13,300 and 16,600. The log has nothing between 15,999 and 19,999.
    for ((name, from), (by_hand, off)) in
        found
            .iter()
            .zip([(0, 0), (1500, 150), (13_300, 100), (16_600, 1500)])
    {
        assert!(from.abs_diff(by_hand) <= off, "{name} {from} {by_hand}");
    }
    assert!(phases.notes.is_empty());
}

#[test]
fn a_model_that_has_not_grokked_yet_stays_in_circuit_formation() {
    let phases = curves(&DEMO[..9], 150).phases();
    assert_eq!(
        starts(&phases),
        [("memorisation", 0), ("circuit formation", 1400)]
    );
    assert!(
        phases.notes[0].contains("did not come to cleanup"),
        "{:?}",
        phases.notes
    );
}

#[test]
fn a_model_that_never_groks_memorises_only() {
    // Without weight decay the test loss rises on and on.
    let points = [(0, 4.7, 4.7), (200, 0.01, 20.0), (5000, 1e-9, 60.0)];
    let phases = curves(&points, 150).phases();
    assert_eq!(starts(&phases), [("memorisation", 0)]);
    assert!(
        phases.notes[0].contains("did not show"),
        "{:?}",
        phases.notes
    );
}

#[test]
fn a_model_that_never_memorises_says_so() {
    let points = [(0, 4.7, 4.7), (3000, 4.0, 4.8)];
    let phases = curves(&points, 9999).phases();
    assert_eq!(starts(&phases), [("memorisation", 0)]);
    assert!(
        phases.notes[0].contains("did not memorise"),
        "{:?}",
        phases.notes
    );
    let nothing = Curves::default().phases();
    assert!(nothing.found.is_empty() && nothing.notes[0].contains("no history"));
    let broken = Curves {
        train_loss: vec![f64::NAN; 500],
        train_accuracy: vec![f64::NAN; 500],
        test_loss: vec![f64::NAN; 500],
    };
    assert_eq!(broken.phases().found.len(), 1);
}

#[test]
fn a_model_that_generalises_at_once_forms_no_circuits_of_their_own() {
    let points = [(0, 4.7, 4.7), (200, 0.001, 0.1), (1000, 1e-6, 2e-6)];
    let phases = curves(&points, 300).phases();
    let names: Vec<&str> = phases.found.iter().map(|p| p.name).collect();
    assert_eq!(names, ["memorisation", "cleanup", "stable"]);
    assert!(phases.notes[0].contains("no circuit formation"));
}

#[test]
fn excursions_of_a_model_that_has_grokked_are_no_peak() {
    let mut points = DEMO.to_vec();
    points.extend([
        (21_000, 1e-7, 2e-7),
        (21_010, 1.0, 50.0),
        (21_020, 1e-7, 2e-7),
        (22_000, 1e-7, 2e-7),
    ]);
    let with = starts(&curves(&points, 150).phases());
    assert_eq!(with, starts(&curves(&DEMO, 150).phases()));
}

#[test]
fn losses_are_those_of_one_model() {
    let column = [4.0, 3.0, 2.0, 1.0];
    let history = History {
        train_loss: &column,
        test_loss: &column,
        train_accuracy: &column,
        test_accuracy: &column,
    };
    // Epoch 2 has the test loss after step 1 and the train loss before step 2.
    let of_2 = |at: &At| (at.train_loss, at.test_loss) == (2.0, 3.0);
    assert_eq!(first(&history, 0, 1, of_2), Some(2));
    assert_eq!([0, 1, 4].map(|n| peak(&history, n).0), [0, 1, 1]);
}
