//! A run that is made longer by another spec.

use super::*;

/// Opens the run with the spec `fingerprint`, where a run of `shorter` can go on as one of it.
fn lengthen(
    out: &Out,
    shorter: &str,
    fingerprint: &str,
    access: Access,
) -> Result<RunDir, StoreError> {
    let spec = SpecText {
        given: "epochs = 9",
        resolved: fingerprint,
        fingerprint,
    };
    RunDir::open_judged(out.0.path(), "r", spec, access, &Shorter(shorter))
}

/// Lets runs of this fingerprint go on, and notes in their cell that they do.
struct Shorter<'a>(&'a str);

impl Judge for Shorter<'_> {
    fn judge(&self, run: &RunView) -> Result<(), String> {
        if run.fingerprint() == self.0 {
            Ok(())
        } else {
            Err("p: 5 there, 7 here".to_owned())
        }
    }

    fn prepare(&self, run: &RunDir) -> Result<(), StoreError> {
        let folder = RunView::open(run.path())?;
        assert_eq!(
            folder.fingerprint(),
            self.0,
            "the folder is still the shorter run's"
        );
        assert!(!folder.is_lengthening());
        fs::write(run.path().join("prepared"), "").unwrap();
        Ok(())
    }
}

#[test]
fn a_longer_spec_takes_over_the_run_and_nothing_is_lost() {
    for access in [Access::Continue, Access::Force, Access::Share] {
        let out = Out::with_run();
        let shorter = out.open("one", Access::Continue).unwrap();
        let mut summary = Summary::default();
        summary.set(CellSummary::new("c", "finished", &Metrics::default()));
        shorter.write_summary(&summary, &[]).unwrap();
        drop(shorter);
        let run = lengthen(&out, "one", "two", access).unwrap();
        assert!(out.kept() && out.file("prepared").exists());
        assert_eq!(run.resolved().unwrap(), "two");
        let view = RunView::open(run.path()).unwrap();
        assert_eq!(view.spec().unwrap(), ["epochs = 9", "two"]);
        assert_eq!(
            view.summary().unwrap(),
            summary,
            "it is the longer run's now"
        );
        let manifest = Manifest::read(&out.file("")).unwrap();
        assert_eq!(manifest, Some(Manifest::new("r", "two")));
        assert_eq!(lock::holder(run.path()), Some(access.hold()));
        drop(run);
        // The other way it is no continuation.
        refused(
            lengthen(&out, "none", "one", Access::Continue),
            ErrorKind::OtherSpec,
            &["another spec", "5 there, 7 here", "--force"],
        );
    }
    let out = Out::with_run();
    lengthen(&out, "one", "two", Access::Fresh).unwrap();
    assert!(!out.kept(), "--fresh starts over what could be continued");
}

#[test]
fn shards_make_a_run_longer_together_but_not_under_each_other() {
    let out = Out::with_run();
    let short = out.open("one", Access::Share).unwrap();
    refused(
        lengthen(&out, "one", "two", Access::Share),
        ErrorKind::Busy,
        &["another process"],
    );
    drop(short);
    let open = || lengthen(&out, "one", "two", Access::Share);
    let (first, second) = (open().unwrap(), open().unwrap());
    assert!(out.kept());
    drop((first, second));
}

#[test]
fn a_kill_while_a_run_is_made_longer_is_finished_by_the_next_process() {
    let out = Out::with_run();
    let found = Manifest::read(&out.file("")).unwrap().unwrap();
    found.lengthening("two").write(&out.file("")).unwrap();
    // The spec in the folder is still the shorter one.
    assert!(RunView::open(&out.file("")).unwrap().is_lengthening());
    let run = lengthen(&out, "none", "two", Access::Continue).unwrap();
    assert!(out.kept());
    assert_eq!(run.resolved().unwrap(), "two");
    assert!(!RunView::open(run.path()).unwrap().is_lengthening());
}
