//! The thread that goes through checkpoints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use grokrun_host::{Crew, Member, Permits, Watched, Work, on_analysis_pool};
use grokrun_store::{CheckpointReader, ErrorKind, FindingsIndex};

use super::loss::CellLoss;
use super::seen::Seen;
use super::snapshot::{self, Pass};
use super::{Subject, files};
use crate::SessionError;
use crate::interrupt::Interrupt;
use crate::train::{Event, Watch};

/// How long a session that was asked to end waits for an observation that is going on. What it
/// finds is not used: the wait only lets a plugin's code come to its end. Well below the half
/// minute that clusters give.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often what the analyses have found so far is written, while a cell trains.
const WRITTEN_EVERY: Duration = Duration::from_secs(20);
/// A wait this short is not worth a word.
const SILENCE: Duration = Duration::from_millis(200);

/// A cell that is followed.
pub(crate) struct Followed {
    subject: Subject,
    checkpoints: CheckpointReader,
    crew: Option<Crew>,
    /// of each analysis, in order
    identities: Vec<FindingsIndex>,
    /// the train loss, if an analysis evaluates it
    loss: Option<Arc<CellLoss>>,
}

impl Followed {
    pub(crate) fn new(
        subject: Subject,
        members: Vec<Member>,
        identities: Vec<FindingsIndex>,
        loss: Option<Arc<CellLoss>>,
    ) -> Result<Followed, SessionError> {
        let crew = Crew::start(members).map_err(|error| {
            SessionError::Failed(format!("a thread cannot be started: {error}"))
        })?;
        Ok(Followed {
            checkpoints: subject.dir.checkpoint_reader(),
            subject,
            crew: Some(crew),
            identities,
            loss,
        })
    }

    /// Its analyses, each after the cell's id.
    fn watched(&self) -> Vec<(String, Watched)> {
        let crew = self.crew.iter().flat_map(Crew::watched);
        crew.map(|one| (self.subject.id.clone(), one)).collect()
    }

    /// Shows a stored checkpoint to the analyses that are due.
    fn show(
        &mut self,
        epoch: u64,
        last: bool,
        pass: &mut Pass,
        permits: &Permits,
    ) -> Result<(), SessionError> {
        let Some(crew) = &mut self.crew else {
            return Ok(());
        };
        let Some(needs) = crew.needs(epoch, last) else {
            return Ok(());
        };
        let mut shown = permits.take();
        let checkpoint = self.checkpoints.read(epoch)?;
        let (history, data) = (&self.subject.history, &mut shown.data);
        on_analysis_pool(|| snapshot::make(epoch, &needs, &checkpoint, history, pass, data))?;
        if let (Some(loss), true) = (&self.loss, needs.evaluate()) {
            on_analysis_pool(|| loss.show(&needs, &checkpoint, data))?;
        }
        crew.show(&Arc::new(shown), last);
        Ok(())
    }

    /// Writes what the analyses have found so far, unless more of the same is on disk: a run that
    /// was interrupted shows its checkpoints again from the first on.
    fn write_so_far(&self) -> Result<(), SessionError> {
        let Some(crew) = &self.crew else {
            return Ok(());
        };
        for (watched, identity) in crew.watched().zip(&self.identities) {
            let Some(found) = watched.take_so_far() else {
                continue;
            };
            let before = match self.subject.dir.read_findings(watched.name()) {
                Ok(index) => index.filter(|index| files::is_same(index, identity)),
                Err(error) if error.kind() == ErrorKind::Altered => None,
                Err(error) => return Err(error.into()),
            };
            if before.and_then(|index| index.so_far) < Some(found.epoch) {
                let files = files::so_far(identity.clone(), found);
                self.subject.dir.write_findings(watched.name(), files)?;
            }
        }
        Ok(())
    }

    /// Lets the analyses conclude and writes what they found. One that concludes after `stop`
    /// leaves nothing: by then nobody may be waiting, and the run may be another process's.
    fn conclude(&mut self, stop: &AtomicBool) -> Result<(), SessionError> {
        let Some(crew) = self.crew.take() else {
            return Ok(());
        };
        for (outcome, identity) in crew.finish().zip(&self.identities) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (name, busy) = (outcome.name.clone(), outcome.busy.as_secs_f64());
            tracing::info!(
                cell = self.subject.id,
                analysis = name,
                busy,
                "analysis ends"
            );
            let files = files::of(identity.clone(), outcome);
            self.subject.dir.write_findings(&name, files)?;
        }
        Ok(())
    }
}

enum Message {
    /// a checkpoint is on disk
    Checkpoint { cell: usize, epoch: u64, last: bool },
    /// a cell is done
    Done(usize),
}

/// Follows the cells of a batch.
pub(crate) struct Follower {
    messages: Sender<Message>,
    stop: Arc<AtomicBool>,
    /// whether what was found so far may be written; locked while it is
    writes: Arc<Mutex<bool>>,
    /// each analysis, after the cell it is of
    watched: Vec<(String, Watched)>,
    thread: JoinHandle<Result<(), SessionError>>,
}

impl Follower {
    /// Starts the thread; cells are numbered in the order given, and of one model. While cells
    /// train (`training`), what was found so far is written from time to time.
    pub(crate) fn start(
        cells: Vec<Followed>,
        seen: &Seen,
        permits: Permits,
        training: bool,
    ) -> Result<Follower, SessionError> {
        let (messages, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writes = Arc::new(Mutex::new(training));
        let so_far = Arc::clone(&writes);
        let watched = cells.iter().flat_map(Followed::watched).collect();
        let mut pass = Pass::new(seen)?;
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new()
            .name("analyses".to_owned())
            .spawn(move || {
                let _in_run = span.enter();
                follow(cells, &inbox, &stopped, &so_far, &mut pass, &permits)
            })
            .map_err(|error| {
                SessionError::Failed(format!("a thread cannot be started: {error}"))
            })?;
        Ok(Follower {
            messages,
            stop,
            writes,
            watched,
            thread,
        })
    }

    /// Tells of a checkpoint that is on disk.
    pub(crate) fn checkpoint(&self, cell: usize, epoch: u64, last: bool) {
        self.send(Message::Checkpoint { cell, epoch, last });
    }

    /// Tells that a cell has no more checkpoints.
    pub(crate) fn done(&self, cell: usize) {
        self.send(Message::Done(cell));
    }

    /// A thread that has ended says why when it is joined.
    fn send(&self, message: Message) {
        let _ = self.messages.send(message);
    }

    /// Waits until every checkpoint was observed and every cell that is done has its findings. Once
    /// `interrupt` is asked, what is left is not observed, and an observation that goes on is
    /// waited for [`PATIENCE`] at most; `watch` is told for which.
    ///
    /// # Errors
    /// When a checkpoint cannot be read, or findings cannot be written.
    pub(crate) fn join(
        self,
        interrupt: &Interrupt,
        watch: &mut dyn Watch,
    ) -> Result<(), SessionError> {
        let Follower {
            messages,
            stop,
            writes,
            watched,
            thread,
        } = self;
        drop(messages);
        let mut asked: Option<Instant> = None;
        let mut has_said = false;
        // An observation goes on after the thread that asked for it has seen the request to stop.
        let at_work = || watched.iter().any(|(_, one)| one.work().is_some());
        while !thread.is_finished() || (interrupt.is_asked() && at_work()) {
            if interrupt.is_asked() {
                stop.store(true, Ordering::Relaxed);
                let waited = asked.get_or_insert_with(Instant::now).elapsed();
                if waited >= PATIENCE {
                    tell(&watched, watch, |_, analysis, _| Event::GaveUp { analysis });
                    // The thread ends with the process, and so do those of the analyses. The run
                    // may be another process's from here on.
                    *writes.lock().unwrap_or_else(PoisonError::into_inner) = false;
                    return Ok(());
                }
                if waited >= SILENCE && !has_said {
                    has_said = true;
                    tell(&watched, watch, |cell, analysis, epoch| Event::Waiting {
                        analysis,
                        cell,
                        epoch,
                        most: PATIENCE,
                    });
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        thread.join().unwrap_or_else(|_| {
            Err(SessionError::Failed(
                "the thread of the analyses panicked".to_owned(),
            ))
        })
    }
}

/// Tells of each analysis that is at work; `event` is given the cell, the analysis and the epoch.
fn tell(
    watched: &[(String, Watched)],
    watch: &mut dyn Watch,
    event: impl for<'a> Fn(&'a str, &'a str, Option<u64>) -> Event<'a>,
) {
    for (cell, watched) in watched {
        let epoch = match watched.work() {
            None => continue,
            Some(Work::Observation(epoch)) => Some(epoch),
            Some(Work::Conclusion) => None,
        };
        watch.event(event(cell, watched.name(), epoch));
    }
}

fn follow(
    mut cells: Vec<Followed>,
    inbox: &Receiver<Message>,
    stop: &AtomicBool,
    writes: &Mutex<bool>,
    pass: &mut Pass,
    permits: &Permits,
) -> Result<(), SessionError> {
    let write_so_far = |cells: &[Followed]| {
        let may_write = writes.lock().unwrap_or_else(PoisonError::into_inner);
        if *may_write {
            cells.iter().try_for_each(Followed::write_so_far)?;
        }
        Ok::<(), SessionError>(())
    };
    let mut written = Instant::now();
    for message in inbox {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if written.elapsed() >= WRITTEN_EVERY {
            write_so_far(&cells)?;
            written = Instant::now();
        }
        match message {
            Message::Checkpoint { cell, epoch, last } => {
                cells[cell].show(epoch, last, pass, permits)?;
            }
            Message::Done(cell) => cells[cell].conclude(stop)?,
        }
    }
    // Of cells that have not come to their ends.
    write_so_far(&cells)
}
