//! Looks at a run as long as somebody wants to see it, on a thread of its own.
//!
//! While nobody does, nothing is read. A look that takes long is followed by a long pause, so that
//! all looks together take half a per cent of one core.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use grokrun_store::StoreError;

use crate::cost::Reading;
use crate::run::Run;
use crate::snapshot::{Load, Snapshot};

/// The least time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// How long the end of the program waits for viewers to hear of it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Says why a run cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// the folder holds no run, or cannot be read
    #[error(transparent)]
    Store(#[from] StoreError),
    /// no thread can be started
    #[error("the run cannot be followed: no thread can be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Follows a run until it is dropped.
pub struct Follower {
    shared: Arc<Shared>,
    path: PathBuf,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    inner: Mutex<Inner>,
    /// a snapshot has been taken, or the end has come
    news: Condvar,
    /// somebody wants to see something else than before
    wishes: Condvar,
}

struct Inner {
    snapshot: Arc<Snapshot>,
    /// the cell that each viewer looks at; none for the leading one
    viewers: BTreeMap<u64, Option<usize>>,
    next_viewer: u64,
    /// looks that were made with the present wishes
    looks: u64,
    ends: bool,
}

/// Somebody who looks at a run, until it is dropped.
pub struct Viewer {
    shared: Arc<Shared>,
    number: u64,
}

fn locked(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Follower {
    /// Follows the run in this folder; `load` reads what it is meant to train.
    ///
    /// # Errors
    /// There is no run, or no thread can be started.
    pub fn start(run: &Path, load: Load) -> Result<Follower, FollowError> {
        let (run, snapshot) = Run::open(run, load)?;
        let path = run.path().to_owned();
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                snapshot: Arc::new(snapshot),
                viewers: BTreeMap::new(),
                next_viewer: 0,
                looks: 0,
                ends: false,
            }),
            news: Condvar::new(),
            wishes: Condvar::new(),
        });
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("follow".to_owned())
            .spawn(move || follow(run, &seen))
            .map_err(FollowError::Thread)?;
        Ok(Follower {
            shared,
            path,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to look at a cell, by its place in the plan; at the leading one where none is given.
    pub fn view(&self, cell: Option<usize>) -> Viewer {
        let mut inner = locked(&self.shared);
        let number = inner.next_viewer;
        inner.next_viewer += 1;
        inner.viewers.insert(number, cell);
        inner.looks = 0;
        drop(inner);
        self.shared.wishes.notify_all();
        Viewer {
            shared: Arc::clone(&self.shared),
            number,
        }
    }

    /// Looks a last time, lets viewers see that this is the end, and stops.
    pub fn close(&self) {
        self.end();
        let until = Instant::now() + GOODBYE;
        let mut inner = locked(&self.shared);
        while !inner.viewers.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.news.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self) {
        locked(&self.shared).ends = true;
        self.shared.wishes.notify_all();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end();
    }
}

impl Viewer {
    /// Waits until something has changed since a revision, but not for longer than this; returns
    /// what is known then, and none where nothing has changed.
    pub fn wait(&self, revision: Option<u64>, at_most: Duration) -> Option<Arc<Snapshot>> {
        let until = Instant::now() + at_most;
        let mut inner = locked(&self.shared);
        loop {
            // The first one has to be of a look that was made for this viewer.
            let fresh = match revision {
                None => inner.looks > 0 || inner.ends,
                Some(revision) => inner.snapshot.revision != revision,
            };
            if fresh {
                return Some(Arc::clone(&inner.snapshot));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.shared.news.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        locked(&self.shared).viewers.remove(&self.number);
        self.shared.news.notify_all();
    }
}

/// Looks while there are viewers.
fn follow(mut run: Run, shared: &Shared) {
    loop {
        let mut inner = locked(shared);
        while inner.viewers.is_empty() && !inner.ends {
            let waited = shared.wishes.wait(inner);
            inner = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let ends = inner.ends;
        let wanted: BTreeSet<Option<usize>> = inner.viewers.values().copied().collect();
        let (viewers, before) = (inner.next_viewer, Arc::clone(&inner.snapshot));
        drop(inner);

        let reading = Reading::begin();
        let mut now = if ends && wanted.is_empty() {
            (*before).clone()
        } else {
            run.refresh(&before, &wanted)
        };
        let pause = reading.pause(EVERY);

        let mut inner = locked(shared);
        now.closing = ends;
        if ends || changed(&before, &now) {
            now.revision += 1;
            inner.snapshot = Arc::new(now);
        }
        // Of a viewer that came meanwhile this look knew nothing.
        if inner.next_viewer == viewers {
            inner.looks += 1;
        }
        shared.news.notify_all();
        if ends {
            return;
        }
        let until = Instant::now() + pause;
        while inner.looks > 0 && !inner.ends {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = shared.wishes.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether there is something to tell of.
fn changed(before: &Snapshot, now: &Snapshot) -> bool {
    let same_cells = before.cells.len() == now.cells.len()
        && before
            .cells
            .iter()
            .zip(&now.cells)
            .all(|(one, other)| Arc::ptr_eq(one, other));
    let same_keys = |one: Vec<usize>, other: Vec<usize>| one == other;
    !same_cells
        || before.run != now.run
        || before.lead != now.lead
        || !Arc::ptr_eq(&before.log, &now.log)
        || !same_keys(
            before.curves.keys().copied().collect(),
            now.curves.keys().copied().collect(),
        )
        || now.curves.iter().any(|(place, curve)| {
            !before
                .curves
                .get(place)
                .is_some_and(|had| Arc::ptr_eq(had, curve))
        })
        || now.embeddings.iter().any(|(place, embedding)| {
            !before
                .embeddings
                .get(place)
                .is_some_and(|had| Arc::ptr_eq(had, embedding))
        })
}
