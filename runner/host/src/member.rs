//! Runs one analysis of one cell.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grokrun_api::{Failure, Instance, Needs, SnapshotData, SweepCell, Task, TrainLoss};
use serde_json::{Map, Value};

use crate::collector::{Collector, Series};
use crate::crew::Outcome;
use crate::loaded::{Call, begin_in_memory};
use crate::registry::{Found, Origin};
use crate::scratch::Scratch;

/// An analysis that was started on a cell, its findings so far, and whether it has failed.
pub struct Member {
    name: String,
    version: String,
    needs: Needs,
    due: Due,
    /// whether it looks at a sweep: a snapshot is a cell
    sweep: bool,
    /// the cell or the sweep, for a linked analysis: loaded ones record their calls themselves
    linked_in: Option<String>,
    instance: Option<Box<dyn Instance>>,
    collector: Collector,
    failure: Option<String>,
    busy: Duration,
}

impl Member {
    /// Starts `found` on a cell; the analysis is shown every `every`-th epoch (0: the first and the
    /// last) and those of `also`, and its findings wait in `scratch`. If it cannot start, the
    /// member has failed.
    pub fn start(
        found: &Found,
        parameters: &Map<String, Value>,
        every: u64,
        also: &'static [u64],
        task: &Task,
        scratch: &Scratch,
    ) -> Member {
        let needs = found.needs().clone();
        let due = Due { every, also };
        let place = format!("cell {}", task.cell);
        let member = Member::new(found, needs, due, place, scratch);
        member.started(|| found.create(parameters, task))
    }

    /// Lets the analysis evaluate this train loss, if it needs one.
    #[must_use]
    pub fn with_train_loss(mut self, loss: Arc<dyn TrainLoss>) -> Member {
        if self.needs.touches("trained.*") {
            self.collector.set_loss(loss);
        }
        self
    }

    /// Starts `found` on a sweep of these cells; its findings wait in `scratch`. If it cannot
    /// start, the member has failed.
    pub(crate) fn start_sweep(
        found: &Found,
        parameters: &Map<String, Value>,
        cells: &[SweepCell],
        scratch: &Scratch,
    ) -> Member {
        let (every, also) = (1, &[][..]);
        let needs = Needs::all();
        let place = "the sweep".to_owned();
        let mut member = Member::new(found, needs, Due { every, also }, place, scratch);
        member.sweep = true;
        member.started(|| found.create_sweep(parameters, cells))
    }

    fn new(found: &Found, needs: Needs, due: Due, place: String, scratch: &Scratch) -> Member {
        Member {
            name: found.name().to_owned(),
            version: found.version().to_owned(),
            needs,
            due,
            sweep: false,
            linked_in: (*found.origin() == Origin::Linked).then_some(place),
            instance: None,
            collector: Collector::new(scratch),
            failure: None,
            busy: Duration::ZERO,
        }
    }

    fn started(mut self, create: impl FnOnce() -> Result<Box<dyn Instance>, Failure>) -> Member {
        let call = self.call("the start of");
        let started = caught(create);
        drop(call);
        match started {
            Ok(instance) => self.instance = Some(instance),
            Err(why) => self.fail(&why),
        }
        self
    }

    /// Whether it can go on.
    pub(crate) fn is_alive(&self) -> bool {
        self.instance.is_some()
    }

    /// Fails for a reason outside of the analysis.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.fail(why);
    }

    /// Records that a linked analysis is called from here on.
    fn call(&self, what: &str) -> Option<Call> {
        let place = self.linked_in.as_ref()?;
        let words = format!("{what} linked analysis {}, in {place}", self.name);
        Some(begin_in_memory(&words))
    }

    /// Returns the analysis's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Returns the cadence and the needs of the analysis; no needs if it has failed already.
    pub(crate) fn demand(&self) -> (Due, Needs) {
        let needs = self
            .instance
            .as_ref()
            .map_or(Needs::default(), |_| self.needs.clone());
        (self.due, needs)
    }

    /// Shows the analysis the parts of a snapshot that it needs.
    pub(crate) fn observe(&mut self, snapshot: &SnapshotData) {
        let what = if self.sweep { "cell" } else { "epoch" };
        let when = format!("{what} {}", snapshot.epoch);
        let _call = self.call(&format!("{when} of"));
        let Some(instance) = &mut self.instance else {
            return;
        };
        let (needs, collector) = (&self.needs, &mut self.collector);
        collector.at(Some(snapshot.epoch));
        let started = Instant::now();
        let done =
            caught(|| snapshot.show(needs, |snapshot| instance.observe(snapshot, collector)));
        self.busy += started.elapsed();
        self.settle(done, &format!("at {when}"));
    }

    /// Returns the scalars that it has found so far; none once it has failed.
    pub(crate) fn series_so_far(&self) -> Option<Series> {
        self.is_alive().then(|| self.collector.series().clone())
    }

    /// Finishes the analysis.
    pub(crate) fn finish(mut self) -> Outcome {
        let _call = self.call("the conclusion of");
        if let Some(instance) = &mut self.instance {
            let collector = &mut self.collector;
            collector.at(None);
            let done = caught(|| instance.finish(collector));
            self.settle(done, "while finishing");
        }
        // A destructor may panic too.
        if let Some(instance) = self.instance.take()
            && let Err(why) = caught(|| instance.close())
        {
            self.fail(&format!("while closing: {why}"));
        }
        Outcome {
            name: self.name,
            version: self.version,
            failure: self.failure,
            findings: self.collector.into_findings(),
            busy: self.busy,
        }
    }

    fn settle(&mut self, done: Result<(), String>, when: &str) {
        let refused = self.collector.refused().map(str::to_owned);
        if let Some(why) = done.err().or(refused) {
            self.fail(&format!("{when}: {why}"));
        }
    }

    fn fail(&mut self, why: &str) {
        if self.failure.is_none() {
            tracing::error!(
                analysis = self.name,
                why,
                "analysis failed; nothing else is touched by that"
            );
            self.failure = Some(why.to_owned());
        }
        // A plugin that panicked is not called again, not even to close it: its state may be
        // broken.
        if let Some(instance) = self.instance.take() {
            std::mem::forget(instance);
        }
    }
}

/// At which epochs an analysis is shown a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    every: u64,
    also: &'static [u64],
}

impl Due {
    /// Returns whether the analysis is shown this epoch.
    pub(crate) fn is_at(self, epoch: u64, last: bool) -> bool {
        let multiple = self.every != 0 && epoch.is_multiple_of(self.every);
        last || epoch == 0 || multiple || self.also.contains(&epoch)
    }
}

/// Calls an analysis; a panic becomes a failure like any other.
fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(done) => done.map_err(|failure| failure.to_string()),
        Err(panic) => Err(format!("it panicked: {}", words(&*panic))),
    }
}

/// Returns the message of a panic.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}

#[cfg(test)]
mod tests {
    use grokrun_api::Registration;
    use grokrun_api::prelude::*;
    use grokrun_api::testing::{add, random};

    use super::*;
    use crate::loaded::each_call;

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(crate = "grokrun_api::serde", default)]
    #[schemars(crate = "grokrun_api::schemars")]
    struct Config {}

    /// Records which calls are in progress, and panics when it is closed.
    struct Listens;

    impl Analysis for Listens {
        type Config = Config;
        const MANIFEST: Manifest = Manifest::new("listens", "0.1.0", "says where it is");
        fn new(_: Config, _: &Task) -> Result<Self, Failure> {
            Ok(Listens)
        }
        fn observe(&mut self, _: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
            each_call(|words| out.note(String::from_utf8_lossy(words)));
            Ok(())
        }
    }

    impl Drop for Listens {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_linked_analysis_is_named_while_it_is_called_and_its_close_can_fail() {
        let found = Found::linked(&Registration::of::<Listens>("here")).unwrap();
        let (task, scratch) = (add(5), Scratch::new(&std::env::temp_dir()));
        let mut member = Member::start(&found, &Map::new(), 1, &[], &task, &scratch);
        member.observe(&random(&task, 20, 1));
        let outcome = member.finish();
        let want = format!("epoch 20 of linked analysis listens, in cell {}", task.cell);
        assert_eq!(outcome.findings.notes, [want]);
        let why = outcome.failure.unwrap();
        assert!(
            why.contains("while closing: it panicked: on purpose"),
            "{why}"
        );
    }
}
