//! Defines the messages between the two processes: a length, a line of JSON, and, after some
//! messages, the numbers that they announce, as they are in memory. Both processes are one program
//! on one machine.

use std::io::{self, Read, Write};

use bytemuck::Pod;
use grokrun_api::serde::de::DeserializeOwned;
use grokrun_api::serde::{Deserialize, Serialize};
use grokrun_api::{
    Failure, Finding, Formula, LossAt, Numbers, NumbersRef, Snapshot, SnapshotData, SweepCell, Task,
};
use serde_json::{Map, Value};

use crate::described::Described;

/// The longest message or tensor, in bytes. The findings of one cell are bounded alike.
const LONGEST: u64 = (1 << 30) + (1 << 20);
/// How many numbers memory is reserved for before they have arrived.
const PIECE: usize = 1 << 18;

/// A request of the run's process, or its answer to a reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub(crate) enum Request {
    /// Describe the analyses of the library.
    Describe,
    /// Check parameters.
    Check {
        analysis: u32,
        parameters: Map<String, Value>,
    },
    /// Start an analysis on a cell.
    Create {
        analysis: u32,
        parameters: Map<String, Value>,
        task: Box<Task>,
    },
    /// Start an analysis on a sweep.
    CreateSweep {
        analysis: u32,
        parameters: Map<String, Value>,
        cells: Vec<SweepCell>,
    },
    /// Show a snapshot to the analysis; its numbers follow.
    Observe { epoch: u64, views: Vec<Head> },
    /// Finish the analysis.
    Finish,
    /// Close the analysis.
    Close,
    /// Answers [`Reply::Keep`].
    Kept(Option<Said>),
    /// Answers [`Reply::Recall`] with the count of the numbers that follow.
    Recalled(Result<usize, Said>),
    /// Answers [`Reply::TrainLoss`]; the gradient and the losses of samples follow.
    Loss(Result<LossHead, Said>),
}

/// Describes a tensor of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub(crate) struct Head {
    name: String,
    shape: Vec<usize>,
    count: usize,
    /// whether the numbers have 64 bits
    double: bool,
}

/// Describes a train loss.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub(crate) struct LossHead {
    /// the bits of the loss: JSON has no word for a value that is not a number
    loss: u64,
    accuracy: u64,
    /// how many numbers the gradient has
    gradient: usize,
    /// how many losses of samples there are
    samples: usize,
}

/// A message from the process of an analysis.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub(super) enum Reply {
    Scalar {
        series: String,
        /// the bits of the value: JSON has no word for a value that is not a number
        bits: u64,
    },
    /// A tensor, whose numbers follow.
    Tensor {
        name: String,
        shape: Vec<usize>,
        count: usize,
    },
    Table {
        name: String,
        columns: Vec<String>,
        rows: Vec<Vec<Value>>,
    },
    Note(String),
    Headline(String),
    Formula(Formula),
    Figure {
        name: String,
        figure: Value,
    },
    /// A log event: level, package, target, message, fields.
    Log(u32, String, String, String, String),
    /// A request to keep the numbers that follow.
    Keep {
        name: String,
        count: usize,
    },
    /// A request to return kept numbers.
    Recall(String),
    /// A request for the train loss at the weights that follow.
    TrainLoss {
        count: usize,
        gradient: bool,
        samples: bool,
    },
    /// The call has ended; after [`Request::Describe`], with all analyses.
    Done(Result<Vec<Described>, Said>),
}

/// A failure as it is sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "grokrun_api::serde")]
pub(crate) struct Said {
    parameter: Option<String>,
    message: String,
}

impl From<Failure> for Said {
    fn from(failure: Failure) -> Said {
        match failure {
            Failure::Parameter { parameter, message } => Said {
                parameter: Some(parameter),
                message,
            },
            Failure::Other(message) => Said {
                parameter: None,
                message,
            },
        }
    }
}

impl From<Said> for Failure {
    fn from(said: Said) -> Failure {
        match said.parameter {
            Some(parameter) => Failure::parameter(&parameter, said.message),
            None => Failure::new(said.message),
        }
    }
}

/// Writes a message.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = vec![0; size_of::<u64>()];
    serde_json::to_writer(&mut bytes, message)?;
    let length = (bytes.len() - size_of::<u64>()) as u64;
    bytes[..size_of::<u64>()].copy_from_slice(&length.to_le_bytes());
    to.write_all(&bytes)
}

/// Reads a message.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; size_of::<u64>()];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(too_long(length));
    }
    // Memory is reserved only for what has arrived.
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Reads numbers into the memory of earlier ones.
pub(super) fn receive_numbers<T: Pod>(
    from: &mut impl Read,
    count: usize,
    mut into: Vec<T>,
) -> io::Result<Vec<T>> {
    let length = (count as u64).saturating_mul(size_of::<T>() as u64);
    if length > LONGEST.max(size_of_val(into.as_slice()) as u64) {
        return Err(too_long(length));
    }
    into.truncate(count);
    from.read_exact(bytemuck::cast_slice_mut(&mut into))?;
    while into.len() < count {
        let start = into.len();
        into.resize(count.min(start + PIECE), T::zeroed());
        from.read_exact(bytemuck::cast_slice_mut(&mut into[start..]))?;
    }
    Ok(into)
}

fn too_long(length: u64) -> io::Error {
    io::Error::other(format!("it says something of {length} bytes"))
}

/// Returns the request to show a snapshot, and the numbers that follow it.
pub(super) fn observe<'a>(snapshot: &Snapshot<'a>) -> (Request, Vec<&'a [u8]>) {
    let views = snapshot.views().iter();
    let heads = views.clone().map(|view| Head {
        name: view.name.to_owned(),
        shape: view.shape.to_vec(),
        count: view.data.len(),
        double: matches!(view.data, NumbersRef::F64(_)),
    });
    let request = Request::Observe {
        epoch: snapshot.epoch(),
        views: heads.collect(),
    };
    let numbers = views.map(|view| match view.data {
        NumbersRef::F32(data) => bytemuck::cast_slice(data),
        NumbersRef::F64(data) => bytemuck::cast_slice(data),
    });
    (request, numbers.collect())
}

/// Reads the numbers of a snapshot into the memory of the one before.
pub(super) fn receive_snapshot(
    from: &mut impl Read,
    epoch: u64,
    views: Vec<Head>,
    before: &mut SnapshotData,
) -> io::Result<SnapshotData> {
    let mut data = SnapshotData::new(epoch);
    for head in views {
        let numbers = if head.double {
            Numbers::F64(receive_numbers(
                from,
                head.count,
                before.take_f64(&head.name),
            )?)
        } else {
            Numbers::F32(receive_numbers(from, head.count, before.take(&head.name))?)
        };
        data.add(head.name, &head.shape, numbers);
    }
    Ok(data)
}

/// Answers a request for a train loss.
pub(super) fn send_loss(to: &mut impl Write, found: Result<LossAt, Failure>) -> io::Result<()> {
    let head = found.as_ref().map(|found| LossHead {
        loss: found.loss.to_bits(),
        accuracy: found.accuracy.to_bits(),
        gradient: found.gradient.len(),
        samples: found.samples.len(),
    });
    send(to, &Request::Loss(head.map_err(|why| why.clone().into())))?;
    if let Ok(found) = found {
        to.write_all(bytemuck::cast_slice(&found.gradient))?;
        to.write_all(bytemuck::cast_slice(&found.samples))?;
    }
    Ok(())
}

/// Reads the numbers of a train loss.
pub(super) fn receive_loss(from: &mut impl Read, head: &LossHead) -> io::Result<LossAt> {
    Ok(LossAt {
        loss: f64::from_bits(head.loss),
        accuracy: f64::from_bits(head.accuracy),
        gradient: receive_numbers(from, head.gradient, Vec::new())?,
        samples: receive_numbers(from, head.samples, Vec::new())?,
    })
}

/// Sends a finding.
pub(super) fn send_finding(to: &mut impl Write, finding: Finding) -> io::Result<()> {
    match finding {
        Finding::Scalar { series, value } => {
            let bits = value.to_bits();
            send(to, &Reply::Scalar { series, bits })
        }
        Finding::Tensor { name, shape, data } => {
            let count = data.len();
            send(to, &Reply::Tensor { name, shape, count })?;
            to.write_all(bytemuck::cast_slice(&data))
        }
        Finding::Table {
            name,
            columns,
            rows,
        } => send(
            to,
            &Reply::Table {
                name,
                columns,
                rows,
            },
        ),
        Finding::Note(text) => send(to, &Reply::Note(text)),
        Finding::Headline(text) => send(to, &Reply::Headline(text)),
        Finding::Formula(formula) => send(to, &Reply::Formula(formula)),
        Finding::Figure { name, figure } => send(to, &Reply::Figure { name, figure }),
    }
}

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{add, random};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_snapshot_comes_over_bit_by_bit_into_the_memory_of_the_last() {
        let task = add(5);
        let mut before = SnapshotData::default();
        for epoch in [0, 100] {
            let mut data = random(&task, epoch, 1 + epoch);
            let history = vec![f64::NAN, -0.0, 0.1];
            data.add("history.train_loss", &[3], Numbers::F64(history));
            let mut bytes = Vec::new();
            data.show(&grokrun_api::Needs::all(), |snapshot| {
                let (request, numbers) = observe(snapshot);
                send(&mut bytes, &request).unwrap();
                numbers.iter().for_each(|n| bytes.extend_from_slice(n));
            });
            let mut from = bytes.as_slice();
            let Request::Observe { epoch, views } = receive(&mut from).unwrap() else {
                panic!("a snapshot was sent");
            };
            let there = receive_snapshot(&mut from, epoch, views, &mut before).unwrap();
            assert!(from.is_empty());
            // NaN is not equal to itself, so the two are compared as text.
            assert_eq!(format!("{there:?}"), format!("{data:?}"));
            before = there;
        }
    }

    #[test]
    fn findings_come_over_as_they_are() {
        let numbers = json!([0.1, 1e-300, -0.0, u64::MAX, i64::MIN, 1.0, null]);
        let figure = Finding::Figure {
            name: "f".to_owned(),
            figure: json!({ "z": numbers, "a": "\u{1}" }),
        };
        let tensor = Finding::Tensor {
            name: "t".to_owned(),
            shape: vec![2],
            data: vec![f32::MIN_POSITIVE, f32::INFINITY],
        };
        let mut bytes = Vec::new();
        send_finding(&mut bytes, figure.clone()).unwrap();
        send_finding(&mut bytes, tensor).unwrap();
        let mut from = bytes.as_slice();
        let Reply::Figure { name, figure: got } = receive(&mut from).unwrap() else {
            panic!("a figure was sent");
        };
        assert_eq!(Finding::Figure { name, figure: got }, figure);
        let Reply::Tensor { count, .. } = receive(&mut from).unwrap() else {
            panic!("a tensor was sent");
        };
        let got: Vec<f32> = receive_numbers(&mut from, count, Vec::new()).unwrap();
        assert_eq!(got, [f32::MIN_POSITIVE, f32::INFINITY]);
    }

    #[test]
    fn a_train_loss_comes_over_bit_by_bit() {
        let found = LossAt {
            loss: f64::NAN,
            accuracy: 0.5,
            gradient: vec![1.0, -0.0, f32::INFINITY],
            samples: vec![0.1, 1e-300],
        };
        let mut bytes = Vec::new();
        send_loss(&mut bytes, Ok(found.clone())).unwrap();
        send_loss(&mut bytes, Err(Failure::new("none"))).unwrap();
        let mut from = bytes.as_slice();
        let Request::Loss(Ok(head)) = receive(&mut from).unwrap() else {
            panic!("a loss was sent");
        };
        let got = receive_loss(&mut from, &head).unwrap();
        // NaN is not equal to itself, so the two are compared as text.
        assert_eq!(format!("{got:?}"), format!("{found:?}"));
        let Request::Loss(Err(why)) = receive(&mut from).unwrap() else {
            panic!("a refusal was sent");
        };
        assert_eq!(Failure::from(why), Failure::new("none"));
        assert!(from.is_empty());
    }

    #[test]
    fn lengths_that_are_lies_cost_no_memory() {
        let long = u64::MAX.to_le_bytes();
        assert!(receive::<Reply>(&mut long.as_slice()).is_err());
        let short = [(1u64 << 30).to_le_bytes().as_slice(), b"\"x"].concat();
        assert!(receive::<Reply>(&mut short.as_slice()).is_err());
        assert!(receive_numbers::<f32>(&mut [0u8; 8].as_slice(), 1 << 28, vec![]).is_err());
        assert!(receive_numbers::<f64>(&mut [0u8; 8].as_slice(), usize::MAX, vec![]).is_err());
    }
}
