use std::sync::atomic::{AtomicU64, Ordering};

use grokrun_store::{Access, CellSummary, Metrics, Row, RunDir};

use super::*;

fn history(epochs: u64) -> Metrics {
    let mut metrics = Metrics::default();
    for epoch in 0..epochs {
        metrics.push(Row {
            epoch,
            train_loss: 1.0,
            test_loss: 2.0,
            train_accuracy: 1.0,
            test_accuracy: if epoch < 300 { 0.0 } else { 1.0 },
        });
    }
    metrics
}

fn load(cells: usize, epochs: u64) -> Load {
    Box::new(move |_: &RunView| {
        Ok(Planned {
            cells: (0..cells).map(|i| format!("c{i}")).collect(),
            epochs,
            table: Box::new(|_| Ok(None)),
        })
    })
}

/// What is wanted by a viewer who chose no cell.
fn lead() -> BTreeSet<Option<usize>> {
    BTreeSet::from([None])
}

/// Forty thousand epochs of some cells: what is kept of them is what a short run has.
#[test]
fn a_long_run_is_followed_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
    for i in 0..4 {
        let dir = run.cell(&format!("c{i}")).unwrap();
        dir.live_rows().append(&history(40_000)).unwrap();
    }
    let (mut watched, first) = Run::open(run.path(), load(4, 40_000)).unwrap();
    let now = watched.refresh(&first, &lead());
    assert_eq!(now.cells.len(), 4);
    assert!(now.cells.iter().all(|cell| cell.outcome.epochs == 40_000));
    let known = watched.known.as_ref().unwrap();
    for cell in &known.cells {
        let points = cell.curve.len();
        assert!((1000..=POINTS + 50).contains(&points), "{points}");
    }
    assert_eq!(
        (now.curves.len(), now.lead),
        (1, 0),
        "of the cell that is shown alone"
    );
}

#[test]
fn of_a_sweep_each_cell_stands_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
    let cell = |i: usize| run.cell(&format!("c{i}")).unwrap();
    cell(0).write_metrics(&history(900)).unwrap();
    let summary = Summary {
        cells: vec![
            CellSummary::new("c0", "finished", &history(900)),
            CellSummary::new("c1", "failed", &history(3)),
            CellSummary::new("c3", "interrupted", &history(20)),
        ],
    };
    cell(1);
    cell(3).write_metrics(&history(20)).unwrap();
    run.write_summary(&summary, &["c0", "c1", "c2", "c3", "c4"])
        .unwrap();
    let _claim = run.claim("c2").unwrap();
    cell(2).live_rows().append(&history(450)).unwrap();
    let (mut watched, first) = Run::open(run.path(), load(5, 900)).unwrap();
    let now = watched.refresh(&first, &lead());
    let states: Vec<State> = now.cells.iter().map(|cell| cell.state).collect();
    use State::{Interrupted, Over, Training, Waiting};
    assert_eq!(states, [Over, Over, Training, Interrupted, Waiting]);
    let counts = Counts {
        training: 1,
        done: 1,
        failed: 1,
        interrupted: 1,
        waiting: 1,
    };
    assert_eq!(
        (now.run.counts, now.run.activity),
        (counts, Activity::Training)
    );
    assert_eq!(now.lead, 2, "the one that trains");
    assert_eq!(now.cells[2].outcome.epochs, 450);
    assert!(now.curves.contains_key(&2));
    // Another look finds nothing new of those that are over.
    let again = watched.refresh(&now, &BTreeSet::from([Some(0)]));
    assert!(Arc::ptr_eq(&again.cells[1], &now.cells[1]));
    assert!(again.curves.contains_key(&0) && !again.curves.contains_key(&2));
}

#[test]
fn of_many_cells_most_have_few_points_and_the_one_that_is_shown_has_all() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
    for i in [0, 1, 2] {
        let dir = run.cell(&format!("c{i}")).unwrap();
        dir.live_rows().append(&history(1000)).unwrap();
    }
    let (mut watched, first) = Run::open(run.path(), load(200, 2000)).unwrap();
    let now = watched.refresh(&first, &BTreeSet::from([Some(1)]));
    let points =
        |watched: &Run, place: usize| watched.known.as_ref().unwrap().cells[place].curve.len();
    assert!(points(&watched, 0) <= FEW_POINTS + 50);
    assert_eq!(points(&watched, 1), 1000);
    let now = watched.refresh(&now, &BTreeSet::from([Some(0)]));
    assert_eq!(points(&watched, 0), 1000);
    assert!(points(&watched, 1) <= FEW_POINTS + 50);
    assert_eq!(now.cells[1].outcome.epochs, 1000);
}

#[test]
fn a_run_that_starts_over_with_another_spec_is_loaded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
    let path = run.path().to_owned();
    let loads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&loads);
    let load: Load = Box::new(move |_: &RunView| {
        let before = counted.fetch_add(1, Ordering::Relaxed);
        Ok(Planned {
            cells: vec!["c".to_owned(); before as usize + 1],
            epochs: 10,
            table: Box::new(|_| Ok(None)),
        })
    });
    let (mut watched, first) = Run::open(&path, load).unwrap();
    let now = watched.refresh(&first, &lead());
    let now = watched.refresh(&now, &lead());
    assert_eq!((now.cells.len(), loads.load(Ordering::Relaxed)), (1, 1));
    drop(run);
    RunDir::open(folder.path(), "r", "", "", "g", Access::Force).unwrap();
    let now = watched.refresh(&now, &lead());
    assert_eq!((now.cells.len(), &now.run.problem), (2, &None));
    // The folder goes away: what was known stays, and it is said.
    std::fs::rename(&path, folder.path().join("away")).unwrap();
    let now = watched.refresh(&now, &lead());
    assert!(now.cells.len() == 2 && now.run.problem.is_some());
    assert!(Run::open(&path, Box::new(|_| Err(String::new()))).is_err());
}
