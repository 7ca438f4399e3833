//! A run as its directory tells of it, looked at again and again.
//!
//! A look opens what may have changed: the manifest, the summary where its version is another, the
//! rows that sessions write, the ends of the logs, and, of cells that somebody looks at, the newest
//! checkpoint.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use grokrun_report::live;
use grokrun_store::{Mark, RunView, StoreError, Summary};
use serde_json::Value;

use crate::cell::{Cell, CellNow, State};
use crate::embedding::{Embedding, EmbeddingNow};
use crate::log::{Line, Tail};
use crate::snapshot::{Activity, Counts, CurveNow, Load, Planned, RunNow, Snapshot};

/// The points of a curve that somebody looks at.
const POINTS: usize = 2000;
/// The points of the curves of cells that only have a row, where there are many cells.
const FEW_POINTS: usize = 120;
/// The most cells of which histories are read that no session writes, unless somebody looks at
/// them, and whose settings the facts are of.
const MOST_READ: usize = 64;

/// A run that is followed.
pub(crate) struct Run {
    path: PathBuf,
    load: Load,
    known: Option<Known>,
    log: Tail,
    log_lines: Arc<Vec<Line>>,
}

/// What is known of the spec's run that is in the folder.
struct Known {
    fingerprint: String,
    planned: Planned,
    places: HashMap<String, usize>,
    cells: Vec<Cell>,
    summary: Summary,
    /// the place in the summary of each cell that it has
    recorded: Vec<Option<usize>>,
    summary_mark: Option<Mark>,
    summary_problem: Option<String>,
    /// `config.json` of the first cells, and of those that somebody looked at
    configs: BTreeMap<usize, Value>,
    embeddings: BTreeMap<usize, (Embedding, Option<Arc<EmbeddingNow>>)>,
    heading: String,
    facts: Vec<(String, String)>,
    /// the configs that heading and facts are of
    described: usize,
}

impl Run {
    /// Opens the run in this folder; nothing of its cells is read yet.
    ///
    /// # Errors
    /// There is no run.
    pub(crate) fn open(path: &Path, load: Load) -> Result<(Run, Snapshot), StoreError> {
        let view = RunView::open(path)?;
        let run = Run {
            path: path.to_owned(),
            load,
            known: None,
            log: Tail::default(),
            log_lines: Arc::default(),
        };
        let nothing = RunNow {
            name: view.name().to_owned(),
            heading: view.name().to_owned(),
            facts: Vec::new(),
            activity: Activity::Stopped,
            counts: Counts::default(),
            report: false,
            problem: None,
        };
        let snapshot = Snapshot::of(nothing, Vec::new());
        Ok((run, snapshot))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at what has changed since the snapshot before; `wanted` are the cells that somebody
    /// looks at, of which none stands for the leading one. What cannot be read is said in the
    /// snapshot, and the rest is as it was.
    pub(crate) fn refresh(
        &mut self,
        before: &Snapshot,
        wanted: &BTreeSet<Option<usize>>,
    ) -> Snapshot {
        let mut now = before.clone();
        let problem = match RunView::open(&self.path) {
            Ok(view) => self.refresh_from(&view, &mut now, wanted).err(),
            Err(error) => Some(error.to_string()),
        };
        if problem.is_some() {
            now.run.problem = problem;
        }
        now
    }

    fn refresh_from(
        &mut self,
        view: &RunView,
        now: &mut Snapshot,
        wanted: &BTreeSet<Option<usize>>,
    ) -> Result<(), String> {
        let current = |known: &Known| known.fingerprint == view.fingerprint();
        if !self.known.as_ref().is_some_and(current) {
            self.known = Some(Known::new(view, (self.load)(view)?));
            now.cells = Vec::new();
        }
        let Some(known) = &mut self.known else {
            return Ok(());
        };
        let news = known.refresh_summary(view);
        // None stands for the leading cell: for that of the look before, until this one knows it.
        let of = |known: &Known, lead: usize| -> BTreeSet<usize> {
            let there = |cell: &usize| *cell < known.cells.len();
            let cells = wanted.iter().map(|cell| cell.unwrap_or(lead));
            cells.filter(there).collect()
        };
        known.refresh_cells(view, now, &of(known, now.lead), news);
        now.lead = lead(&now.cells);
        let wanted = of(known, now.lead);
        known.describe(view, &wanted);
        known.refresh_details(view, now, &wanted);
        let counts = counts(&now.cells);
        now.run = RunNow {
            name: view.name().to_owned(),
            heading: known.heading.clone(),
            facts: known.facts.clone(),
            activity: activity(&now.cells, &counts, view.is_busy()),
            counts,
            report: view.has_report(),
            problem: known.summary_problem.clone(),
        };
        if let Ok(logs) = view.logs() {
            let had = self.log.next();
            self.log.refresh(&logs);
            if self.log.next() != had {
                self.log_lines = Arc::new(self.log.lines());
            }
        }
        now.log = Arc::clone(&self.log_lines);
        Ok(())
    }
}

impl Known {
    fn new(view: &RunView, planned: Planned) -> Known {
        let points = match planned.cells.len() {
            0..=MOST_READ => POINTS,
            _ => FEW_POINTS,
        };
        let places = planned.cells.iter().cloned().zip(0..).collect();
        Known {
            fingerprint: view.fingerprint().to_owned(),
            places,
            cells: planned
                .cells
                .iter()
                .map(|id| Cell::new(id, points))
                .collect(),
            summary: Summary::default(),
            recorded: vec![None; planned.cells.len()],
            summary_mark: None,
            summary_problem: None,
            configs: BTreeMap::new(),
            embeddings: BTreeMap::new(),
            heading: view.name().to_owned(),
            facts: Vec::new(),
            described: 0,
            planned,
        }
    }

    /// Reads the summary if it is another one than before, and says whether it is.
    fn refresh_summary(&mut self, view: &RunView) -> bool {
        let mark = view.summary_mark();
        if self.summary_mark.as_ref() == Some(&mark) {
            return false;
        }
        match view.summary() {
            Ok(summary) => {
                self.recorded = vec![None; self.cells.len()];
                for (at, recorded) in summary.cells.iter().enumerate() {
                    if let Some(place) = self.places.get(&recorded.cell) {
                        self.recorded[*place] = Some(at);
                    }
                }
                self.summary = summary;
                self.summary_problem = None;
            }
            Err(error) => self.summary_problem = Some(error.to_string()),
        }
        self.summary_mark = Some(mark);
        true
    }

    /// Looks at each cell of which there may be news.
    fn refresh_cells(
        &mut self,
        view: &RunView,
        now: &mut Snapshot,
        wanted: &BTreeSet<usize>,
        news: bool,
    ) {
        let at = Instant::now();
        let many = self.cells.len() > MOST_READ;
        let mut cells = Vec::with_capacity(self.cells.len());
        for (place, cell) in self.cells.iter_mut().enumerate() {
            let is_wanted = wanted.contains(&place);
            if many {
                cell.resize(if is_wanted { POINTS } else { FEW_POINTS });
            }
            let before = now.cells.get(place);
            let over = before.is_some_and(|before| before.state == State::Over);
            if let Some(before) = before.filter(|_| over && !news && !is_wanted) {
                cells.push(Arc::clone(before));
                continue;
            }
            let recorded = self.recorded[place].map(|at| &self.summary.cells[at]);
            let saved = is_wanted || !many;
            let seen = cell.refresh(view, recorded, self.planned.epochs, saved, at);
            cells.push(match before {
                Some(before) if same(before, &seen) => Arc::clone(before),
                _ => Arc::new(seen),
            });
        }
        now.cells = cells;
    }

    /// Reads the settings of cells, and says what they have in common.
    fn describe(&mut self, view: &RunView, wanted: &BTreeSet<usize>) {
        let first = 0..self.cells.len().min(MOST_READ);
        for place in first.chain(wanted.iter().copied()) {
            if self.configs.contains_key(&place) {
                continue;
            }
            let Some(cell) = self.cells.get(place) else {
                continue;
            };
            // One that is being written, or is damaged, is read again at the next look.
            let config = view.cell(&cell.id).map(|dir| dir.read_config_json());
            if let Some(Ok(Some(config))) = config {
                self.configs.insert(place, config);
            }
        }
        if self.described != self.configs.len() {
            let configs: Vec<&Value> = self.configs.values().collect();
            self.heading = live::heading(view.name(), &configs);
            self.facts = live::facts(&configs);
            self.described = self.configs.len();
        }
    }

    /// Looks at what is shown of the cells that somebody looks at.
    fn refresh_details(&mut self, view: &RunView, now: &mut Snapshot, wanted: &BTreeSet<usize>) {
        self.embeddings.retain(|place, _| wanted.contains(place));
        now.curves.retain(|place, _| wanted.contains(place));
        now.embeddings.retain(|place, _| wanted.contains(place));
        for &place in wanted {
            let Some(cell) = self.cells.get(place) else {
                continue;
            };
            let same = |had: &Arc<CurveNow>| {
                let (had, is) = (&had.curve, &cell.curve);
                had.generation() == is.generation() && had.points(had.len()) == is.points(had.len())
            };
            let config = self.configs.get(&place);
            let had = now.curves.get(&place);
            if !had.is_some_and(|had| same(had) && Some(&had.config) == config) {
                let curve = CurveNow {
                    curve: cell.curve.clone(),
                    config: config.cloned().unwrap_or_default(),
                };
                now.curves.insert(place, Arc::new(curve));
            }
            let Some(dir) = view.cell(&cell.id) else {
                continue;
            };
            let planned = &self.planned;
            let (embedding, shown) = self
                .embeddings
                .entry(place)
                .or_insert_with(|| (Embedding::new(&dir, (planned.table)(place)), None));
            if let Some(seen) = embedding.refresh(&dir) {
                *shown = Some(Arc::new(seen));
            }
            if let Some(shown) = shown {
                now.embeddings.insert(place, Arc::clone(shown));
            }
        }
    }
}

/// Whether a cell is as it was. A loss that is no number is the same as itself here.
fn same(before: &CellNow, now: &CellNow) -> bool {
    let is_nan = |cell: &CellNow| {
        let last = cell.outcome.last.as_ref();
        last.is_some_and(|row| row.train_loss.is_nan() || row.test_loss.is_nan())
    };
    before == now || (is_nan(now) && format!("{before:?}") == format!("{now:?}"))
}

/// The cell that most is to be seen of: the first that is trained, or else was begun.
fn lead(cells: &[Arc<CellNow>]) -> usize {
    let first = |is: &dyn Fn(&CellNow) -> bool| cells.iter().position(|cell| is(cell));
    first(&|cell| cell.state == State::Training)
        .or_else(|| first(&|cell| cell.state == State::Busy))
        .or_else(|| first(&|cell| cell.state == State::Interrupted))
        .or_else(|| first(&|cell| cell.state == State::Over))
        .unwrap_or(0)
}

fn counts(cells: &[Arc<CellNow>]) -> Counts {
    let mut counts = Counts::default();
    for cell in cells {
        let count = match cell.state {
            State::Waiting => &mut counts.waiting,
            State::Training | State::Busy => &mut counts.training,
            State::Interrupted => &mut counts.interrupted,
            State::Over if cell.outcome.has_failed() => &mut counts.failed,
            State::Over => &mut counts.done,
        };
        *count += 1;
    }
    counts
}

fn activity(cells: &[Arc<CellNow>], counts: &Counts, busy: bool) -> Activity {
    if cells.iter().any(|cell| cell.state == State::Training) {
        Activity::Training
    } else if busy || counts.training > 0 {
        Activity::Busy
    } else if counts.waiting + counts.interrupted > 0 {
        Activity::Stopped
    } else {
        Activity::Done
    }
}

#[cfg(test)]
mod tests;
