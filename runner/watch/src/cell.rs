//! What is known of one cell: its rows so far, how fast they come, and where it stands.

use std::time::{Duration, Instant};

use grokrun_store::{
    CellDir, CellSummary, INTERRUPTED, LiveReader, Mark, Metrics, Row, RunView, StoreError, Tally,
};

use crate::curve::Curve;
use crate::pace::Pace;

/// A cell that has got new epochs within so long is being trained, whatever its lock says: not
/// every file system shows the locks of other machines.
const SEEN_TO_GROW: Duration = Duration::from_secs(30);
/// After so long without epochs a cell that a process holds is said to be at something else.
const NO_EPOCHS: Duration = Duration::from_secs(5);
/// The points of a small curve.
pub(crate) const SMALL: usize = 60;

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// nothing of it is there yet
    Waiting,
    /// a process trains it
    Training,
    /// a process holds it and trains no epochs: it starts, or its analyses are at work
    Busy,
    /// epochs are left, and no process trains it
    Interrupted,
    /// nothing of it is left to train; its summary says what became of it
    Over,
}

/// A cell at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CellNow {
    /// its id
    pub id: String,
    /// where it stands
    pub state: State,
    /// what became of it so far; of a cell that is trained, by its latest rows
    pub outcome: CellSummary,
    /// epochs that it is to have
    pub epochs: u64,
    /// epochs a second
    pub pace: Option<f64>,
    /// seconds that the rest takes at this pace
    pub left: Option<f64>,
    /// whole tens of seconds since its last epoch, where a process trains it and that is long ago
    pub stale: Option<u64>,
    /// train losses, test losses and test accuracies, each evenly over its epochs
    pub small: [Vec<f64>; 3],
    /// why its history cannot be read, or not all of it
    pub flaw: Option<String>,
}

/// A cell that is followed.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: String,
    rows: Option<LiveReader>,
    pub(crate) curve: Curve,
    tally: Tally,
    pace: Option<Pace>,
    /// when the last new row came
    grew: Option<Instant>,
    /// when a look first found no new row
    quiet_since: Option<Instant>,
    /// whether the rows are those of `live.rows`
    live: bool,
    /// which saved history was read
    saved: Option<Mark>,
    flaw: Option<String>,
}

impl Cell {
    pub(crate) fn new(id: &str, points: usize) -> Cell {
        Cell {
            id: id.to_owned(),
            rows: None,
            curve: Curve::new(points),
            tally: Tally::default(),
            pace: None,
            grew: None,
            quiet_since: None,
            live: false,
            saved: None,
            flaw: None,
        }
    }

    /// Looks at what is new. `told` is what the summary says of it; `saved` allows that a history
    /// which is not being written is read, at the cost of a file of some megabytes.
    pub(crate) fn refresh(
        &mut self,
        run: &RunView,
        recorded: Option<&CellSummary>,
        epochs: u64,
        saved: bool,
        now: Instant,
    ) -> CellNow {
        let over = recorded.is_some_and(|recorded| recorded.is_over(epochs));
        let dir = run.cell(&self.id);
        let claimed = dir.as_ref().is_some_and(CellDir::is_claimed);
        if let Some(dir) = &dir {
            self.read(dir, over && !claimed, saved, now);
        } else {
            self.forget(self.curve.most());
            (self.live, self.saved, self.rows) = (false, None, None);
        }
        let trained = self.tally.epochs();
        if let Some(pace) = &mut self.pace {
            pace.update(trained, now);
        }
        let within = |since: Option<Instant>, long: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) < long)
        };
        let quiet = self.quiet_since.filter(|_| !within(self.grew, NO_EPOCHS));
        let state = match (claimed, dir.is_some()) {
            (true, _) if over || (trained > 0 && trained >= epochs) => State::Busy,
            (true, _) if !self.live && quiet.is_some_and(|at| !within(Some(at), NO_EPOCHS)) => {
                State::Busy
            }
            (true, _) => State::Training,
            (false, true) if over => State::Over,
            (false, true) if self.live && within(self.grew, SEEN_TO_GROW) => State::Training,
            (false, true) if trained > 0 || recorded.is_some() => State::Interrupted,
            _ => State::Waiting,
        };
        let trains = state == State::Training;
        let since = self.grew.or(self.quiet_since).filter(|_| trains);
        let stale = since.map(|at| now.saturating_duration_since(at).as_secs() / 10 * 10);
        let pace = self.pace.as_ref().filter(|_| trains);
        CellNow {
            id: self.id.clone(),
            state,
            outcome: self.outcome(recorded),
            epochs,
            pace: pace.and_then(Pace::per_second),
            left: pace.and_then(|pace| pace.seconds_for(epochs.saturating_sub(trained))),
            stale: stale.filter(|seconds| *seconds >= 20),
            small: [0, 1, 3].map(|column| self.curve.evenly(column, SMALL)),
            flaw: self.flaw.clone(),
        }
    }

    /// What is known of its outcome: the summary's words where they are of the same epochs.
    fn outcome(&self, recorded: Option<&CellSummary>) -> CellSummary {
        let trained = self.tally.epochs();
        match recorded {
            Some(recorded) if trained == 0 || recorded.epochs == trained => recorded.clone(),
            Some(recorded) => CellSummary {
                device: recorded.device.clone(),
                ..self.tally.summary(&self.id, INTERRUPTED)
            },
            None => self.tally.summary(&self.id, INTERRUPTED),
        }
    }

    /// Reads new rows: those that a session writes, or else the saved history.
    fn read(&mut self, dir: &CellDir, over: bool, saved: bool, now: Instant) {
        match self.read_live(dir, now) {
            Ok(true) => {
                self.flaw = None;
                self.saved = None;
                return;
            }
            Ok(false) => {}
            Err(error) => self.flaw = Some(error.to_string()),
        }
        if self.live {
            // The session has ended: what it saved last is its history.
            self.live = false;
            self.saved = None;
        }
        self.quiet_since.get_or_insert(now);
        // What is over is read where it is asked for; what is not, is one of few.
        if !saved && (over || self.tally.epochs() == 0) {
            return;
        }
        let mark = dir.saved_mark();
        if self.saved.as_ref() == Some(&mark) {
            return;
        }
        let (metrics, flaw) = dir.read_saved_history();
        self.flaw = flaw;
        self.saved = Some(mark);
        // Between its last rows and its last state a session has neither for a moment.
        let behind = (metrics.len() as u64) < self.tally.epochs();
        if !behind || self.flaw.is_some() || !dir.is_claimed() {
            self.take(&metrics);
        } else {
            self.saved = None;
        }
    }

    fn take(&mut self, metrics: &Metrics) {
        self.forget(self.curve.most());
        metrics.rows().for_each(|row| self.push(row));
    }

    /// Reads the rows that a session writes; false where there is no file of them.
    fn read_live(&mut self, dir: &CellDir, now: Instant) -> Result<bool, StoreError> {
        let mut reader = self.rows.take().unwrap_or_else(|| dir.live_reader());
        let before = self.tally.epochs();
        let first = !self.live;
        let found = match reader.new_rows() {
            Ok(Some(rows)) => {
                if rows.restarted() {
                    self.forget(self.curve.most());
                }
                let age = rows.age();
                // A row that cannot be read now is read at the next look.
                rows.map_while(Result::ok).for_each(|row| self.push(row));
                Ok(age)
            }
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        };
        self.rows = Some(reader);
        let age = match found {
            Ok(age) => age,
            Err(None) => return Ok(false),
            Err(Some(error)) => return Err(error),
        };
        self.live = true;
        let trained = self.tally.epochs();
        if first {
            self.pace = Some(Pace::new(trained, now));
            self.grew = age.and_then(|age| now.checked_sub(age));
        } else if trained != before {
            self.grew = Some(now);
        }
        if self.grew == Some(now) {
            self.quiet_since = None
        } else {
            _ = self.quiet_since.get_or_insert(now)
        }
        Ok(true)
    }

    fn push(&mut self, row: Row) {
        self.tally.see(row);
        self.curve.push(row);
    }

    fn forget(&mut self, points: usize) {
        if self.tally.epochs() > 0 || self.curve.most() != points {
            self.tally = Tally::default();
            self.curve.clear(points);
        }
    }

    /// Keeps so many points from the next look on, which reads everything again.
    pub(crate) fn resize(&mut self, points: usize) {
        if self.curve.most() != points {
            self.forget(points);
            (self.rows, self.saved, self.live) = (None, None, false);
        }
    }
}

#[cfg(test)]
mod tests;
