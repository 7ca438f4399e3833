//! `grokrun export --follow`: TensorBoard's events of a run that another process trains.

use std::path::PathBuf;
use std::process::Child;

use crate::support::{Bench, CELL, SMALL, signal, wait_for, wait_until};

/// Returns the events of the only cell.
fn events(bench: &Bench, folder: &str) -> PathBuf {
    let file = format!("{folder}/{CELL}/events.out.tfevents.0.grokrun");
    bench.path().join(file)
}

fn length(path: &PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Starts a run that does not end during the test, and what follows it.
fn followed(bench: &Bench) -> [Child; 2] {
    let training = bench.spawn(&["small.toml", "--backend", "cpu"]);
    wait_for(bench, 100);
    let args = "export runs/small --format tensorboard -o live --follow";
    let follows = bench.spawn(&args.split(' ').collect::<Vec<_>>());
    wait_until("no events", || length(&events(bench, "live")) > 10_000);
    [training, follows]
}

#[test]
fn events_grow_while_a_run_trains_and_end_as_those_of_the_run_that_ended() {
    let bench = Bench::new(&SMALL.replace("epochs = 300", "epochs = 4000000"));
    let [mut training, mut follows] = followed(&bench);
    let seen = length(&events(&bench, "live"));
    wait_until("no more events", || length(&events(&bench, "live")) > seen);
    assert!(training.try_wait().unwrap().is_none());
    signal(&training, "-INT");
    assert_eq!(training.wait().unwrap().code(), Some(130));
    // Nobody trains it any more: what follows it ends by itself.
    assert_eq!(follows.wait().unwrap().code(), Some(0));
    let whole = "export runs/small --format tensorboard -o whole";
    bench.run(&whole.split(' ').collect::<Vec<_>>()).exits(0);
    let [live, whole] = ["live", "whole"].map(|name| std::fs::read(events(&bench, name)).unwrap());
    assert!(live == whole, "{} and {} bytes", live.len(), whole.len());
}

#[test]
fn who_follows_may_end_and_the_run_goes_on() {
    let bench = Bench::new(&SMALL.replace("epochs = 300", "epochs = 4000000"));
    let [mut training, mut follows] = followed(&bench);
    signal(&follows, "-INT");
    assert_eq!(follows.wait().unwrap().code(), Some(0));
    let rows = format!("runs/small/cells/{CELL}/live.rows");
    let rows = bench.path().join(rows);
    let seen = length(&rows);
    wait_until("no more rows", || length(&rows) > seen);
    signal(&training, "-INT");
    assert_eq!(training.wait().unwrap().code(), Some(130));
}

#[test]
fn a_run_that_is_over_is_written_at_once() {
    let spec = format!("{SMALL}evaluate = 7\n[analysis.fourier-sparsity]\nevery = 100\n");
    let bench = Bench::new(&spec);
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    for more in ["-o live --follow", "-o whole"] {
        let args = format!("export runs/small --format tensorboard {more}");
        bench.run(&args.split(' ').collect::<Vec<_>>()).exits(0);
    }
    // At the epochs of its analyses the one has two events, the other one with all values.
    let [live, whole] =
        ["live", "whole"].map(|name| steps(&std::fs::read(events(&bench, name)).unwrap()));
    assert_eq!(live, whole);
    // Epochs that were not tested have no test metrics.
    let tested = live.iter().filter(|(_, tag, _)| tag == "test_loss");
    let tested: Vec<u64> = tested.map(|(step, ..)| *step).collect();
    let every: Vec<u64> = (6..300).step_by(7).collect();
    assert_eq!(tested, every);
    let refused = "export runs/small --format csv -o curves.csv --follow";
    let refused = bench.run(&refused.split(' ').collect::<Vec<_>>()).exits(2);
    refused.says(&["expected --format tensorboard"]);
    let again = "export runs/small --format tensorboard -o live --follow";
    let again = bench.run(&again.split(' ').collect::<Vec<_>>()).exits(2);
    again.says(&["is there already"]);
}

/// Returns step, tag and bits of each scalar in a file of events, in order.
fn steps(mut bytes: &[u8]) -> Vec<(u64, String, u32)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let event = fields(&bytes[12..][..length]);
        bytes = &bytes[16 + length..];
        let step = event.iter().find_map(|(field, value)| match value {
            Value::Number(step) if *field == 2 => Some(*step),
            _ => None,
        });
        for (_, summary) in event.iter().filter(|(field, _)| *field == 5) {
            for (_, value) in fields(summary.bytes()) {
                let parts = fields(value.bytes());
                let tag = parts.iter().find(|(field, _)| *field == 1).unwrap();
                let tag = String::from_utf8(tag.1.bytes().to_vec()).unwrap();
                if let Some((_, Value::Float(bits))) = parts.iter().find(|(field, _)| *field == 2) {
                    found.push((step.unwrap_or(0), tag, *bits));
                }
            }
        }
    }
    found.sort();
    found
}

/// A field of a message of protocol buffers.
enum Value<'a> {
    Number(u64),
    Double,
    Float(u32),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            _ => panic!("a message is expected"),
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => {
                bytes = &bytes[8..];
                Value::Double
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value)
            }
            5 => {
                let (value, rest) = bytes.split_at(4);
                bytes = rest;
                Value::Float(u32::from_le_bytes(value.try_into().unwrap()))
            }
            other => panic!("no type of field is {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            break;
        }
    }
    number
}
