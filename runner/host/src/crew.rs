//! The analyses of one cell, each on a thread of its own.
//!
//! Snapshots are shared; a queue of [`QUEUE`] stands before each analysis. The others get as far
//! ahead of the slowest as snapshots may be in memory, which the log then says. Training never
//! waits: snapshots are made from checkpoints on disk. They compute at [desks](at_a_desk), of which
//! there are as many as cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use grokrun_api::Needs;

use crate::collector::Findings;
use crate::desk::at_a_desk;
use crate::member::{Member, due};
use crate::shown::Shown;
use crate::watched::{Watched, Work};

/// Snapshots that may wait for an analysis. With the one it looks at that is as many as a session
/// allows, so that the slowest never waits for the next to be made.
const QUEUE: usize = 1;

/// What became of an analysis of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// the analysis
    pub name: String,
    /// its version
    pub version: String,
    /// why it could not go on
    pub failure: Option<String>,
    /// what it said until then
    pub findings: Findings,
    /// how long it computed
    pub busy: Duration,
}

/// The running analyses of a cell.
pub struct Crew {
    workers: Vec<Worker>,
}

struct Worker {
    name: String,
    watched: Watched,
    version: String,
    every: u64,
    needs: Needs,
    queue: SyncSender<Arc<Shown>>,
    thread: JoinHandle<Outcome>,
    /// snapshots that it was sent, and that it is done with
    sent: u64,
    done: Arc<AtomicU64>,
    /// whether the log has said that it is slow
    told: bool,
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

    /// A view on each analysis.
    pub fn watched(&self) -> impl Iterator<Item = Watched> {
        self.workers.iter().map(|worker| worker.watched.clone())
    }

    /// What a snapshot of this epoch has to show: the union of what is needed by those that are
    /// due; none if nobody is.
    pub fn needs(&self, epoch: u64, last: bool) -> Option<Needs> {
        let due = self.workers.iter().filter(|w| due(w.every, epoch, last));
        due.map(|worker| worker.needs).reduce(Needs::union)
    }

    /// Shows a snapshot to all that are due. Waits only for an analysis whose queue is full.
    pub fn show(&mut self, snapshot: &Arc<Shown>, last: bool) {
        self.tell_of_the_slowest(snapshot.data.epoch);
        for worker in &mut self.workers {
            if due(worker.every, snapshot.data.epoch, last) {
                worker.show(snapshot);
            }
        }
    }

    /// Says once of an analysis that all others have done what was shown, and it alone has not.
    fn tell_of_the_slowest(&mut self, epoch: u64) {
        let others = self.workers.len() > 1;
        let mut behind = self.workers.iter_mut().filter(|worker| worker.is_behind());
        if let (true, Some(worker), None) = (others, behind.next(), behind.next())
            && !std::mem::replace(&mut worker.told, true)
        {
            tracing::warn!(
                analysis = worker.name,
                epoch,
                "analysis is slower than the others, which now wait for it"
            );
        }
    }

    /// Lets one after the other conclude, as they are asked for: what each found, figures above
    /// all, need not be in memory together.
    pub fn finish(self) -> impl Iterator<Item = Outcome> {
        self.workers.into_iter().map(|worker| {
            drop(worker.queue);
            // The thread catches every panic of an analysis; one of its own is a bug of the host,
            // which must not end the run either.
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
        let (every, needs) = member.demand();
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
                for snapshot in snapshots {
                    at_a_desk(|| {
                        let _in_analysis = span.enter();
                        let work = Work::Look(snapshot.data.epoch);
                        telling.during(work, || member.observe(&snapshot.data));
                    });
                    drop(snapshot);
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                // Where it looked, its memory is; a thread's own would be new.
                at_a_desk(|| {
                    let _in_analysis = span.enter();
                    telling.during(Work::Conclusion, || member.finish())
                })
            })?;
        Ok(Worker {
            name,
            watched,
            version,
            every,
            needs,
            queue,
            thread,
            sent: 0,
            done,
            told: false,
        })
    }

    fn show(&mut self, snapshot: &Arc<Shown>) {
        self.sent += 1;
        // A thread that has ended says why when it is joined.
        let _ = self.queue.send(Arc::clone(snapshot));
    }

    fn is_behind(&self) -> bool {
        self.done.load(Ordering::Relaxed) < self.sent
    }
}
