//! The subscriber under which a plugin runs: events go to the host, with level, target and fields.
//!
//! One dispatcher serves all calls; which host listens is a matter of the thread. A clone of it that
//! an analysis keeps, or takes to another thread, so finds no host instead of one that is gone.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use super::guard::Host;

thread_local! {
    /// The host of the call that this thread is in.
    static HOST: Cell<Option<Host>> = const { Cell::new(None) };
}

static FORWARD: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Forward));

/// Runs `body`; what it logs goes to `host`.
pub(super) fn forwarded<R>(host: Host, body: impl FnOnce() -> R) -> R {
    struct Restore(Option<Host>);
    impl Drop for Restore {
        fn drop(&mut self) {
            HOST.set(self.0);
        }
    }
    let _restore = Restore(HOST.replace(Some(host)));
    tracing::dispatcher::with_default(&FORWARD, body)
}

/// As [`RawHost::max_level`](super::RawHost::max_level) counts.
fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Forward;

impl Subscriber for Forward {
    /// What is listened to changes from call to call: it is asked each time.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_event() {
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most = HOST.get().map_or(0, |host| host.max_level());
        metadata.is_event() && number(*metadata.level()) <= most
    }

    fn event(&self, event: &Event<'_>) {
        let Some(host) = HOST.get() else { return };
        let mut said = Said::default();
        event.record(&mut said);
        let (level, target) = (number(*event.metadata().level()), event.metadata().target());
        let fields = Value::Object(said.fields).to_string();
        host.log(level, target, &said.message, &fields);
    }

    // Spans are not enabled; tracing may still hand one over that was made elsewhere.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event's message and its other fields.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn say(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Said {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        match value.is_finite() {
            true => self.say(field, json!(value)),
            false => self.say(field, json!(value.to_string())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.say(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.say(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.say(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.say(field, json!(format!("{value:?}")));
    }
}
