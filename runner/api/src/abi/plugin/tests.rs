//! Tests the C functions, called in this process as a host would call them.

use std::ffi::c_void;

use super::*;
use crate::LossAt;
use crate::abi::{RawLoss, Receive, ReceiveLoss};
use crate::prelude::*;
use crate::testing::task;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    mode: u32,
}

/// Emits one finding of each kind, fails, or panics, as its parameter says.
struct Talker(u32);

impl Analysis for Talker {
    type Config = Config;
    const MANIFEST: Manifest =
        Manifest::new("talker", "0.1.0", "says one of everything").needs(&["weight.*"]);

    fn check(config: &Config) -> Result<(), Failure> {
        match config.mode {
            0..3 => Ok(()),
            _ => Err(Failure::parameter("mode", "must be below 3")),
        }
    }

    fn new(config: Config, _: &Task) -> Result<Self, Failure> {
        Ok(Talker(config.mode))
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        tracing::warn!(epoch = snapshot.epoch(), ratio = 0.5, "looking");
        match self.0 {
            1 => Err(Failure::new("cannot go on")),
            2 => panic!("seven {}", 7),
            _ => {
                let w = snapshot.weight("w")?;
                out.scalar("sum", w.data().iter().map(|x| f64::from(*x)).sum());
                out.tensor("w", w.shape(), w.data().iter().copied());
                out.table("t", &["a"], vec![vec![json!(1)]]);
                out.note("grüße");
                out.figure("f", Figure::new("x"));
                let seen = out.kept("seen")?;
                out.scalar("seen before", seen.len() as f64);
                out.keep("seen", &[seen, vec![0.5]].concat())
            }
        }
    }
}

struct Here;

impl Exported for Here {
    const PACKAGE: &'static str = "here";
    fn all() -> &'static [Registration] {
        static ALL: &[Registration] = &[Registration::of::<Talker>("here")];
        ALL
    }
}

/// The kind, name, value, shape, data and text of a finding.
type Pushed = (u32, String, f64, Vec<u64>, Vec<f32>, String);

/// The calls that a host received.
#[derive(Default)]
struct Heard {
    findings: Vec<Pushed>,
    failures: Vec<(String, String)>,
    logs: Vec<(u32, String, String, String)>,
    /// the numbers that are kept, under any name
    kept: Vec<f32>,
}

unsafe extern "C" fn push(context: *mut c_void, finding: *const RawFinding) {
    let (heard, f) = unsafe { (&mut *context.cast::<Heard>(), &*finding) };
    unsafe {
        heard.findings.push((
            f.kind,
            f.name.text().unwrap().to_owned(),
            f.value,
            slice(f.shape, f.ndim).unwrap().to_vec(),
            slice(f.data, f.len).unwrap().to_vec(),
            f.text.text().unwrap().to_owned(),
        ));
    }
}

unsafe extern "C" fn fail(context: *mut c_void, parameter: Str, message: Str) {
    let heard = unsafe { &mut *context.cast::<Heard>() };
    let texts = unsafe { [parameter.text().unwrap(), message.text().unwrap()] };
    let [parameter, message] = texts.map(str::to_owned);
    heard.failures.push((parameter, message));
}

unsafe extern "C" fn log(context: *mut c_void, level: u32, target: Str, message: Str, fields: Str) {
    let heard = unsafe { &mut *context.cast::<Heard>() };
    let texts = unsafe { [target.text(), message.text(), fields.text()] };
    let [target, message, fields] = texts.map(|text| text.unwrap().to_owned());
    heard.logs.push((level, target, message, fields));
}

unsafe extern "C" fn keep(context: *mut c_void, name: Str, data: *const f32, len: usize) -> i32 {
    let heard = unsafe { &mut *context.cast::<Heard>() };
    let (name, numbers) = unsafe { (name.text().unwrap(), slice(data, len).unwrap()) };
    assert_eq!(name, "seen");
    heard.kept = numbers.to_vec();
    if len < 3 { DONE } else { FAILED }
}

unsafe extern "C" fn kept(
    context: *mut c_void,
    name: Str,
    receive: Receive,
    into: *mut c_void,
) -> i32 {
    let heard = unsafe { &mut *context.cast::<Heard>() };
    assert_eq!(unsafe { name.text() }.unwrap(), "seen");
    unsafe { receive(into, heard.kept.as_ptr(), heard.kept.len()) };
    DONE
}

fn host(heard: &mut Heard) -> RawHost {
    RawHost {
        size: size_of::<RawHost>() as u32,
        level: 4,
        context: (&raw mut *heard).cast(),
        push: Some(push),
        fail: Some(fail),
        log: Some(log),
        keep: Some(keep),
        kept: Some(kept),
        train_loss: Some(train_loss),
    }
}

/// Answers with the sum of the weights, the weights as gradients, and the flags as a sample.
unsafe extern "C" fn train_loss(
    _: *mut c_void,
    weights: *const f32,
    len: usize,
    flags: u32,
    receive: ReceiveLoss,
    into: *mut c_void,
) -> i32 {
    let weights = unsafe { slice(weights, len) }.unwrap();
    if len == 3 {
        return FAILED;
    }
    let samples = [f64::from(flags)];
    let loss = RawLoss {
        size: size_of::<RawLoss>() as u32,
        reserved: 0,
        loss: weights.iter().copied().map(f64::from).sum(),
        accuracy: 0.25,
        gradient: weights.as_ptr(),
        gradient_len: len,
        samples: samples.as_ptr(),
        samples_len: 1,
    };
    unsafe { receive(into, &raw const loss) };
    DONE
}

#[test]
fn a_train_loss_is_asked_for_and_comes_over() {
    let mut heard = Heard::default();
    let mut sink = Host(host(&mut heard));
    let found = sink.train_loss(Ask::gradient(&[0.5, 1.0]).with_samples());
    let want = LossAt {
        loss: 1.5,
        accuracy: 0.25,
        gradient: vec![0.5, 1.0],
        samples: vec![3.0],
    };
    assert_eq!(found, Ok(want));
    assert_eq!(sink.train_loss(Ask::loss(&[1.0])).unwrap().samples, [0.0]);
    let refused = sink.train_loss(Ask::loss(&[0.0; 3])).unwrap_err();
    assert!(refused.to_string().contains("cannot compute"), "{refused}");
    sink.0.train_loss = None;
    let old = sink.train_loss(Ask::loss(&[1.0])).unwrap_err().to_string();
    assert!(old.contains("no function train_loss"), "{old}");
}

const ENTRY: Entry = Entry::of::<Here>();

fn created(parameters: &str) -> *mut c_void {
    let mut heard = Heard::default();
    let task = serde_json::to_string(&task("add", 3, |a, b| Some((a + b) % 3))).unwrap();
    let mut instance = std::ptr::null_mut();
    let host = host(&mut heard);
    let status = unsafe {
        ENTRY.create.unwrap()(
            0,
            Str::of(parameters),
            Str::of(&task),
            &raw const host,
            &raw mut instance,
        )
    };
    assert_eq!(
        (status, instance.is_null()),
        (DONE, false),
        "{:?}",
        heard.failures
    );
    instance
}

/// Observes a snapshot of one weight, `(2)`: 0.5 and 1.5.
fn observed(instance: *mut c_void) -> (i32, Heard) {
    let mut heard = Heard::default();
    (observed_by(instance, host(&mut heard)), heard)
}

fn observed_by(instance: *mut c_void, host: RawHost) -> i32 {
    let (shape, data) = ([2u64], [0.5f32, 1.5]);
    let views = [RawView {
        name: Str::of("weight.w"),
        dtype: dtype::F32,
        ndim: 1,
        shape: shape.as_ptr(),
        data: data.as_ptr().cast(),
        len: 2,
    }];
    let snapshot = RawSnapshot {
        size: size_of::<RawSnapshot>() as u32,
        stride: size_of::<RawView>() as u32,
        epoch: 100,
        views: views.as_ptr(),
        count: 1,
    };
    unsafe { ENTRY.observe.unwrap()(instance, &raw const snapshot, &raw const host) }
}

fn destroyed(instance: *mut c_void) {
    let mut heard = Heard::default();
    let host = host(&mut heard);
    assert_eq!(
        unsafe { ENTRY.destroy.unwrap()(instance, &raw const host) },
        DONE
    );
}

#[test]
fn it_describes_itself_until_there_are_no_more() {
    let mut heard = Heard::default();
    let host = host(&mut heard);
    let describe = ENTRY.describe.unwrap();
    assert_eq!(unsafe { describe(0, &raw const host) }, DONE);
    assert_eq!(unsafe { describe(1, &raw const host) }, NO_MORE);
    let text: serde_json::Value = serde_json::from_str(&heard.findings[0].5).unwrap();
    assert_eq!(text["name"], "talker");
    assert_eq!(text["needs"], json!(["weight.*"]));
    assert_eq!(text["schema"]["properties"]["mode"]["default"], 0);
}

#[test]
fn findings_and_log_events_cross() {
    let instance = created("{}");
    let (status, heard) = observed(instance);
    assert_eq!((status, heard.failures.len()), (DONE, 0));
    let kinds: Vec<u32> = heard.findings.iter().map(|f| f.0).collect();
    assert_eq!(
        kinds,
        [
            kind::SCALAR,
            kind::TENSOR,
            kind::TABLE,
            kind::NOTE,
            kind::FIGURE,
            kind::SCALAR
        ]
    );
    assert_eq!(
        (heard.findings[0].1.as_str(), heard.findings[0].2),
        ("sum", 2.0)
    );
    assert_eq!(
        (&heard.findings[1].3[..], &heard.findings[1].4[..]),
        (&[2][..], &[0.5, 1.5][..])
    );
    assert_eq!(heard.findings[2].5, r#"{"columns":["a"],"rows":[[1]]}"#);
    assert_eq!(heard.findings[3].5, "grüße");
    let (level, target, message, fields) = &heard.logs[0];
    assert_eq!((*level, message.as_str()), (2, "looking"));
    assert!(target.contains("grokrun_api"), "{target}");
    assert_eq!(fields, r#"{"epoch":100,"ratio":0.5}"#);
    destroyed(instance);
}

#[test]
fn kept_numbers_cross_and_come_back() {
    let instance = created("{}");
    let mut heard = Heard::default();
    let host = host(&mut heard);
    // The host of these tests keeps at most two numbers.
    let statuses = [(); 3].map(|()| observed_by(instance, host));
    destroyed(instance);
    assert_eq!(statuses, [DONE, DONE, FAILED]);
    let seen = heard.findings.iter().filter(|f| f.1 == "seen before");
    assert_eq!(seen.map(|f| f.2).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    assert_eq!(heard.failures[0].1, "the host cannot keep seen");
}

#[test]
fn a_host_that_keeps_nothing_is_reported() {
    let instance = created("{}");
    let mut heard = Heard::default();
    let old = RawHost {
        kept: None,
        ..host(&mut heard)
    };
    assert_eq!(observed_by(instance, old), FAILED);
    destroyed(instance);
    let why = &heard.failures[0].1;
    assert!(why.contains("no function kept"), "{why}");
    // The findings before the failure were received.
    assert_eq!(heard.findings.len(), 5);
}

#[test]
fn errors_and_panics_are_statuses_with_words() {
    for (parameters, status, words) in [
        (r#"{"mode":1}"#, FAILED, "cannot go on"),
        (r#"{"mode":2}"#, PANICKED, "it panicked: seven 7"),
    ] {
        let instance = created(parameters);
        let (got, heard) = observed(instance);
        assert_eq!(got, status);
        assert_eq!(heard.failures, [(String::new(), words.to_owned())]);
        destroyed(instance);
    }
}

#[test]
fn wrong_parameters_are_named() {
    let mut heard = Heard::default();
    let host = host(&mut heard);
    let check = ENTRY.check.unwrap();
    let judge = |text: &str| unsafe { check(0, Str::of(text), &raw const host) };
    assert_eq!(judge(r#"{"mode":1}"#), DONE);
    assert_eq!(judge(r#"{"mode":3}"#), FAILED);
    assert_eq!(judge("{"), FAILED);
    assert_eq!(heard.failures[0].0, "mode");
    assert_eq!(heard.failures.len(), 2);
}

#[test]
fn a_host_of_another_minor_is_understood() {
    let judge = |size: u32| {
        let mut heard = Heard::default();
        let host = RawHost {
            size,
            ..host(&mut heard)
        };
        let status = unsafe { ENTRY.check.unwrap()(0, Str::of("{}"), &raw const host) };
        (status, heard.failures.len())
    };
    // If the struct is longer, the rest is not read. If it is shorter than in minor 0, it is not a
    // host.
    assert_eq!(judge(size_of::<RawHost>() as u32), (DONE, 0));
    assert_eq!(judge(4096), (DONE, 0));
    assert_eq!(judge(16), (FAILED, 0));
}

#[test]
fn null_pointers_are_failures() {
    let mut heard = Heard::default();
    let host = host(&mut heard);
    let observe = ENTRY.observe.unwrap();
    let status = unsafe { observe(std::ptr::null_mut(), std::ptr::null(), &raw const host) };
    assert_eq!(status, FAILED);
    let alone = unsafe { observe(std::ptr::null_mut(), std::ptr::null(), std::ptr::null()) };
    assert_eq!(alone, FAILED);
    assert_eq!(heard.failures.len(), 1);
}
