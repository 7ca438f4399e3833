use grokrun_store::{Access, RunDir, State as Saved};
use serde_json::Value;

use super::*;

const EPOCHS: u64 = 4000;

/// A run with a cell, as its writer and its readers have it.
struct Bench {
    _folder: tempfile::TempDir,
    run: RunDir,
    view: RunView,
    dir: CellDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
        let (view, dir) = (RunView::open(run.path()).unwrap(), run.cell("c").unwrap());
        Bench {
            _folder: folder,
            run,
            view,
            dir,
        }
    }

    fn save(&self, metrics: &Metrics) {
        let state = Saved {
            epoch: metrics.len() as u64,
            tensors: Vec::new(),
            metrics,
            extra: Value::Null,
        };
        self.dir.write_state(&state).unwrap();
        self.dir.write_metrics(metrics).unwrap();
    }
}

/// A history that memorises at epoch 100 and groks at 600.
fn history(epochs: u64) -> Metrics {
    let mut metrics = Metrics::default();
    for epoch in 0..epochs {
        metrics.push(Row {
            epoch,
            train_loss: 1.0 / (1.0 + epoch as f64),
            test_loss: 2.0,
            train_accuracy: if epoch < 100 { 0.5 } else { 1.0 },
            test_accuracy: if epoch < 600 { 0.0 } else { 1.0 },
        });
    }
    metrics
}

#[test]
fn a_cell_goes_from_waiting_to_its_end() {
    let bench = Bench::new();
    let mut cell = Cell::new("c", 500);
    let began = Instant::now();
    let look = |cell: &mut Cell, recorded: Option<&CellSummary>, seconds: u64| {
        cell.refresh(
            &bench.view,
            recorded,
            EPOCHS,
            true,
            began + Duration::from_secs(seconds),
        )
    };
    assert_eq!(look(&mut cell, None, 0).state, State::Waiting);
    let claim = bench.run.claim("c").unwrap();
    let mut rows = bench.dir.live_rows();
    rows.append(&history(50)).unwrap();
    let now = look(&mut cell, None, 1);
    assert_eq!(
        (now.state, now.outcome.epochs, now.pace),
        (State::Training, 50, None)
    );
    rows.append(&history(1200)).unwrap();
    let now = look(&mut cell, None, 11);
    assert_eq!((now.state, now.outcome.epochs), (State::Training, 1200));
    assert_eq!(now.pace, Some(115.0));
    assert_eq!(now.left, Some(2800.0 / 115.0));
    assert_eq!(now.outcome.verdict, "grokked at epoch 600");
    assert_eq!((now.small[2].len(), now.small[2][59]), (SMALL, 1.0));
    // Nothing comes for a while.
    let now = look(&mut cell, None, 45);
    assert_eq!((now.state, now.stale), (State::Training, Some(30)));
    // All of it is trained, and the analyses are at work.
    bench.dir.remove_live_rows().unwrap();
    let now = look(&mut cell, None, 46);
    assert_eq!(
        now.outcome.epochs, 1200,
        "what was seen stays until the state is there"
    );
    bench.save(&history(EPOCHS));
    let now = look(&mut cell, None, 47);
    assert_eq!((now.state, now.outcome.epochs), (State::Busy, EPOCHS));
    let mut recorded = CellSummary::new("c", "finished", &history(EPOCHS));
    recorded.device = Some("CPU".to_owned());
    drop(claim);
    let now = look(&mut cell, Some(&recorded), 48);
    assert_eq!((now.state, now.outcome), (State::Over, recorded));
}

#[test]
fn a_cell_that_was_killed_and_goes_on_is_followed_from_its_state() {
    let bench = Bench::new();
    let mut cell = Cell::new("c", 500);
    let began = Instant::now();
    let mut look = |seconds: u64| {
        cell.refresh(
            &bench.view,
            None,
            EPOCHS,
            true,
            began + Duration::from_secs(seconds),
        )
    };
    bench.dir.live_rows().append(&history(900)).unwrap();
    // Nobody's lock is seen here: it may be another machine's, as long as it was just written.
    assert_eq!(look(0).state, State::Training);
    let now = look(40);
    assert_eq!((now.state, now.outcome.epochs), (State::Interrupted, 900));
    bench.save(&history(700));
    let _claim = bench.run.claim("c").unwrap();
    bench.dir.remove_live_rows().unwrap();
    look(41);
    bench.dir.live_rows().append(&history(710)).unwrap();
    let now = look(42);
    assert_eq!((now.state, now.outcome.epochs), (State::Training, 710));
    assert_eq!(cell.curve.points(0).0.last(), Some(&709));
}

#[test]
fn of_many_cells_the_saved_history_is_read_where_it_is_asked_for() {
    let bench = Bench::new();
    bench.save(&history(300));
    let recorded = CellSummary::new("c", "finished", &history(300));
    let mut cell = Cell::new("c", 100);
    let now = cell.refresh(&bench.view, Some(&recorded), 300, false, Instant::now());
    assert_eq!((now.state, cell.curve.len()), (State::Over, 0));
    assert_eq!(now.outcome, recorded, "the summary tells");
    let now = cell.refresh(&bench.view, Some(&recorded), 300, true, Instant::now());
    assert_eq!((now.state, now.outcome.epochs), (State::Over, 300));
    assert!(cell.curve.len() > 50);
}

#[test]
fn rows_of_another_cell_are_a_flaw_and_the_saved_history_is_shown() {
    let bench = Bench::new();
    bench.save(&history(300));
    let other = bench.run.cell("d").unwrap();
    other.live_rows().append(&history(400)).unwrap();
    std::fs::rename(
        other.path().join("live.rows"),
        bench.dir.path().join("live.rows"),
    )
    .unwrap();
    let mut cell = Cell::new("c", 100);
    let now = cell.refresh(&bench.view, None, EPOCHS, true, Instant::now());
    assert_eq!(now.outcome.epochs, 300);
}
