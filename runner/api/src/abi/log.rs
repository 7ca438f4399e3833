//! Forwards the log events of a plugin in a shared library to the host while a call lasts. The
//! library has its own copy of `tracing`, to which the host does not listen.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use super::{RawHost, Str};

/// Holds the host while it may be called.
struct Line(Option<RawHost>);

// SAFETY: the host is only called from the thread of the call ([`Forward`] checks the thread),
// which is also the thread that fills and empties this cell.
unsafe impl Send for Line {}

/// Runs a call whose events go to the host. These are the events of this thread, since the host
/// takes one call at a time. After the call no event is forwarded.
pub(super) fn forwarded<R>(host: RawHost, call: impl FnOnce() -> R) -> R {
    let level = host.level;
    let line = Arc::new(Mutex::new(Line(Some(host))));
    let cut = Cut(Arc::clone(&line));
    let dispatch = Dispatch::new(Forward {
        line,
        level,
        thread: thread::current().id(),
    });
    let result = tracing::dispatcher::with_default(&dispatch, call);
    drop(cut);
    result
}

/// Ends the forwarding when dropped, also after a panic.
struct Cut(Arc<Mutex<Line>>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = None;
    }
}

struct Forward {
    line: Arc<Mutex<Line>>,
    level: u32,
    thread: ThreadId,
}

/// Returns the number of a level: 1 error … 5 trace.
fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(*metadata.level()) <= self.level
    }

    /// The subscriber is asked at every event, since calls differ in level and thread.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    /// Spans are accepted and forward nothing: the host has its own spans around the call.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if thread::current().id() != self.thread {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = number(*event.metadata().level());
        let text = Value::Object(fields.others).to_string();
        let (target, message) = (event.metadata().target(), fields.message);
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = &line.0
            && let Some(log) = host.log
        {
            let texts = [target, &message, &text].map(Str::of);
            // SAFETY: forwarding has not ended, so the call lasts and the host's pointers are
            // valid; the texts live until the function returns.
            unsafe { log(host.context, level, texts[0], texts[1], texts[2]) };
        }
    }
}

/// The message of an event, and its other fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.set(field, json!(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, json!(value));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }
}
