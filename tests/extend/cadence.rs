//! Another cadence of checkpoints holds from the epoch that the run has reached, whatever wrote the
//! earlier states.

use std::path::PathBuf;

use grokrun_store::{RunDir, RunView};

use super::{checkpoints, with};
use crate::support::{Bench, SMALL};
#[cfg(unix)]
use crate::support::{signal, wait_for};

#[test]
fn another_cadence_holds_from_there_on() {
    let bench = Bench::new(SMALL);
    bench.run(&with(&["train.epochs=300"])).exits(0);
    let finer = ["train.epochs=450", "checkpoints.every=50"];
    bench.run(&with(&finer)).exits(0);
    assert_eq!(checkpoints(&bench), [0, 100, 200, 300, 350, 400, 450]);
    let coarser = ["train.epochs=700", "checkpoints.every=250"];
    bench.run(&with(&coarser)).exits(0);
    assert_eq!(
        checkpoints(&bench),
        [0, 100, 200, 300, 350, 400, 450, 500, 700]
    );
    // The weights are those of a run with one cadence.
    let whole = Bench::new(SMALL);
    whole.run(&with(&["train.epochs=700"])).exits(0);
    let last = PathBuf::from("cells/mul-p23-f0.5-d1-m2/checkpoints/00000700.safetensors");
    assert!(whole.files("small")[&last] == bench.files("small")[&last]);
}

/// Makes the states of a run those of an older grokrun, which do not contain the cadence.
fn forget_cadences(bench: &Bench) {
    let run = RunDir::existing(&bench.path().join("runs/small")).unwrap();
    let view = RunView::open(run.path()).unwrap();
    for (_, cell) in view.cells().unwrap() {
        let mut state = cell.read_state().unwrap().unwrap();
        let extra = state.extra.as_object_mut().unwrap();
        assert!(extra.remove("checkpoints").is_some());
        cell.write_state(&state).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_state_that_does_not_tell_its_cadence_has_that_of_the_spec_before() {
    let spec = SMALL.replace("model = 2", "model = [2, 3]");
    let bench = Bench::new(&spec);
    let short = ["train.epochs=300"];
    let finer = ["train.epochs=450", "checkpoints.every=50"];
    bench.run(&with(&short)).exits(0);
    forget_cadences(&bench);
    // Loud, and of one spec, it complains of nothing.
    let loud = |bench: &Bench, sets: &[&'static str]| {
        let args = with(sets);
        let output = bench.run(&[&args[..3], &args[4..]].concat()).exits(0);
        assert!(!output.err().contains("checkpoints"), "{}", output.err());
    };
    loud(&bench, &short);
    loud(&bench, &finer);
    assert_eq!(checkpoints(&bench), [0, 100, 200, 300, 350, 400, 450]);
    let output = bench.run(&["status", "runs/small"]).exits(0).out();
    assert!(!output.contains("checkpoints"), "{output}");

    // So it is with one that was interrupted.
    let bench = Bench::new(&spec.replace("epochs = 300", "epochs = 9000"));
    let mut child = bench.spawn(&with(&[]));
    wait_for(&bench, 300);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    forget_cadences(&bench);
    let kept = checkpoints(&bench);
    assert!(kept.iter().all(|epoch| epoch % 100 == 0));
    loud(&bench, &["train.epochs=9001", "checkpoints.every=7000"]);
    let wanted: Vec<u64> = kept.into_iter().chain([7000, 9001]).collect();
    assert_eq!(checkpoints(&bench), wanted);
}
