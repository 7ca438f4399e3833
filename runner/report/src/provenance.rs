//! Says where a run is from, and how to make it again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use grokrun_store::RunView;
use serde_json::Value;

use crate::gather::{Flaws, Gathered};

/// The most lines of a log that are looked through for the beginning of the run.
const MOST_LINES: usize = 1000;

/// Where a run is from.
pub(crate) struct Provenance {
    /// the run's name
    pub(crate) run: String,
    /// what is known, by name
    pub(crate) facts: Vec<(&'static str, String)>,
    /// the spec as it was given
    pub(crate) spec: String,
}

/// Describes each run; a spec that cannot be read is noted as a flaw.
pub(crate) fn provenance(
    views: &[RunView],
    names: &[String],
    gathered: &[Gathered],
    flaws: &mut Flaws,
) -> Vec<Provenance> {
    let all = views.iter().zip(names);
    all.map(|(view, name)| {
        let spec = match view.spec() {
            Ok([given, _]) => given,
            Err(error) => {
                flaws.add(error.to_string());
                String::new()
            }
        };
        let cells = || gathered.iter().filter(|cell| cell.run == *name);
        let mut facts = Vec::new();
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                facts.push((name, value));
            }
        };
        let start = start(view);
        let field = |key: &str| start["fields"][key].as_str().map(str::to_owned);
        add("begun", start["timestamp"].as_str().map(date));
        add("command", field("command"));
        let changed = match start["fields"]["commit_changed"].as_bool() {
            Some(true) => ", with changes that are in no commit",
            _ => "",
        };
        add("commit of the spec", field("commit").map(|id| id + changed));
        add(
            "device",
            cells().find_map(|cell| cell.outcome.device.clone()),
        );
        add("machine", field("machine"));
        add(
            "grokrun",
            cells().next().map(|cell| cell.outcome.grokrun.clone()),
        );
        add("fingerprint", Some(view.fingerprint().to_owned()));
        Provenance {
            run: name.clone(),
            facts,
            spec,
        }
    })
    .collect()
}

/// The first event of the log that tells of a beginning; null where there is none.
fn start(view: &RunView) -> Value {
    let logs = view.logs().unwrap_or_default();
    let starts = logs.iter().filter_map(|log| start_in(log));
    let earliest = starts.min_by_key(|event| event["timestamp"].as_str().map(str::to_owned));
    earliest.unwrap_or_default()
}

fn start_in(log: &Path) -> Option<Value> {
    let lines = BufReader::new(File::open(log).ok()?).lines();
    let events = lines.take(MOST_LINES).map_while(Result::ok);
    let mut events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    events.find(|event| event["fields"]["message"] == "run starts")
}

/// A time of the log to the minute: `2026-11-28 17:38 UTC`.
fn date(timestamp: &str) -> String {
    let minute: String = timestamp.chars().take(16).collect();
    format!("{} UTC", minute.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_beginning_is_read_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.jsonl");
        let events = "no json\n{\"fields\":{\"message\":\"other\"}}\n{\"timestamp\":\"2026-11-28T17:38:39.1Z\",\"fields\":{\"message\":\"run starts\",\"command\":\"grokrun a.toml\"}}\n";
        fs::write(&log, events).unwrap();
        let event = start_in(&log).unwrap();
        assert_eq!(event["fields"]["command"], "grokrun a.toml");
        assert_eq!(
            date(event["timestamp"].as_str().unwrap()),
            "2026-11-28 17:38 UTC"
        );
        assert_eq!(start_in(&folder.path().join("none")), None);
    }
}
