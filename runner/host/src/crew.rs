//! Runs the analyses of one cell, each on a thread of its own.
//!
//! Snapshots are shared; a queue of [`QUEUE`] snapshots stands before each analysis. The faster
//! analyses get ahead of the slowest by as many snapshots as may be in memory; the log says so when
//! they wait. Training never waits: snapshots are made from checkpoints on disk. The analyses
//! compute on the [analysis pools](on_analysis_pool), which have as many threads as there are
//! cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use grokrun_api::Needs;

use crate::analysis_pool::on_analysis_pool;
use crate::collector::Findings;
use crate::member::{Due, Member};
use crate::shown::Shown;
use crate::watched::{SoFar, Watched, Work};

/// How many snapshots may wait for an analysis. Together with the one that it is shown, that is as
/// many as a session allows, so that the slowest analysis never waits for the next to be made.
const QUEUE: usize = 1;

/// How often at most an analysis shows what it has found so far: that is a copy of its series.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// Says what became of an analysis of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// the analysis's name
    pub name: String,
    /// the analysis's version
    pub version: String,
    /// why the analysis failed, if it did
    pub failure: Option<String>,
    /// its findings, up to the failure if there was one
    pub findings: Findings,
    /// how long it computed
    pub busy: Duration,
}

/// Holds the running analyses of a cell.
pub struct Crew {
    workers: Vec<Worker>,
}

struct Worker {
    name: String,
    watched: Watched,
    version: String,
    due: Due,
    needs: Needs,
    queue: SyncSender<Arc<Shown>>,
    thread: JoinHandle<Outcome>,
    /// how many snapshots the analysis was sent, and how many it has finished
    sent: u64,
    done: Arc<AtomicU64>,
    /// whether the log has said that the analysis is slow
    reported: bool,
}

impl Crew {
    /// Starts a thread for each member.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(members: Vec<Member>) -> std::io::Result<Crew> {
        let workers = members
            .into_iter()
            .map(Worker::start)
            .collect::<Result<_, _>>()?;
        Ok(Crew { workers })
    }

    /// Returns a view of the progress of each analysis.
    pub fn watched(&self) -> impl Iterator<Item = Watched> {
        self.workers.iter().map(|worker| worker.watched.clone())
    }

    /// Returns what a snapshot of this epoch has to show: the union of the needs of all analyses
    /// that are due; none if no analysis is due.
    pub fn needs(&self, epoch: u64, last: bool) -> Option<Needs> {
        let due = self.workers.iter().filter(|w| w.due.is_at(epoch, last));
        let mut due = due.map(|worker| &worker.needs);
        let first = due.next()?.clone();
        Some(due.fold(first, Needs::union))
    }

    /// Shows a snapshot to all analyses that are due. Waits only for an analysis whose queue is
    /// full.
    pub fn show(&mut self, snapshot: &Arc<Shown>, last: bool) {
        self.warn_of_the_slowest(snapshot.data.epoch);
        for worker in &mut self.workers {
            if worker.due.is_at(snapshot.data.epoch, last) {
                worker.show(snapshot);
            }
        }
    }

    /// Warns once of an analysis that is the only one still busy.
    fn warn_of_the_slowest(&mut self, epoch: u64) {
        let others = self.workers.len() > 1;
        let mut behind = self.workers.iter_mut().filter(|worker| worker.is_behind());
        if let (true, Some(worker), None) = (others, behind.next(), behind.next())
            && !std::mem::replace(&mut worker.reported, true)
        {
            tracing::warn!(
                analysis = worker.name,
                epoch,
                "analysis is slower than the others, which now wait for it"
            );
        }
    }

    /// Finishes the analyses one after the other, as their outcomes are asked for, so that not all
    /// findings, above all figures, are in memory together.
    pub fn finish(self) -> impl Iterator<Item = Outcome> {
        self.workers.into_iter().map(|worker| {
            drop(worker.queue);
            // The thread catches every panic of an analysis. A panic of the thread itself is a bug
            // of the host, which must not end the run either.
            worker.thread.join().unwrap_or_else(|_| Outcome {
                name: worker.name,
                version: worker.version,
                failure: Some("the host's thread panicked".to_owned()),
                findings: Findings::default(),
                busy: Duration::ZERO,
            })
        })
    }
}

impl Worker {
    fn start(member: Member) -> std::io::Result<Worker> {
        let (queue, snapshots) = sync_channel::<Arc<Shown>>(QUEUE);
        let (name, version) = (member.name().to_owned(), member.version().to_owned());
        let (due, needs) = member.demand();
        let done = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&done);
        let watched = Watched::new(&name);
        let telling = watched.clone();
        let thread = std::thread::Builder::new()
            .name(format!("analysis {name}"))
            .spawn(move || {
                let mut member = member;
                let span = tracing::info_span!("analysis", analysis = member.name());
                let _in_analysis = span.enter();
                let mut shown_at: Option<Instant> = None;
                for snapshot in snapshots {
                    let epoch = snapshot.data.epoch;
                    on_analysis_pool(|| {
                        let _in_analysis = span.enter();
                        let work = Work::Observation(epoch);
                        telling.during(work, || member.observe(&snapshot.data));
                    });
                    drop(snapshot);
                    if shown_at.is_none_or(|at| at.elapsed() >= SHOWN_EVERY) {
                        shown_at = Some(Instant::now());
                        if let Some(series) = member.series_so_far() {
                            telling.publish(SoFar { epoch, series });
                        }
                    }
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                // Finish on the same pool: its memory is warm, that of a fresh thread is not.
                on_analysis_pool(|| {
                    let _in_analysis = span.enter();
                    telling.during(Work::Conclusion, || member.finish())
                })
            })?;
        Ok(Worker {
            name,
            watched,
            version,
            due,
            needs,
            queue,
            thread,
            sent: 0,
            done,
            reported: false,
        })
    }

    fn show(&mut self, snapshot: &Arc<Shown>) {
        self.sent += 1;
        // A thread that has ended gives its reason when it is joined.
        let _ = self.queue.send(Arc::clone(snapshot));
    }

    fn is_behind(&self) -> bool {
        self.done.load(Ordering::Relaxed) < self.sent
    }
}
