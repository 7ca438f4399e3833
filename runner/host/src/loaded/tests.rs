//! Entries that do not fit, plugins that misbehave, and files that are no plugins. Everything runs
//! in this process; the integration tests load real libraries.

use std::ffi::c_void;
use std::io::Write;

use grokrun_api::abi::{
    DONE, Entry, Exported, FAILED, NO_MORE, RawFinding, RawHost, RawSnapshot, Str, kind,
};
use grokrun_api::prelude::*;
use grokrun_api::testing::{Recorder, random, task};
use grokrun_api::{Instance, Registration};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
struct Config {
    limit: u32,
}

struct Norm;

impl Analysis for Norm {
    type Config = Config;
    const MANIFEST: Manifest =
        Manifest::new("norm", "0.1.0", "the norm of W_E").needs(&["weight.*"]);
    fn check(config: &Config) -> Result<(), Failure> {
        match config.limit {
            0..10 => Ok(()),
            _ => Err(Failure::parameter("limit", "must be below 10")),
        }
    }
    fn new(_: Config, _: &Task) -> Result<Self, Failure> {
        Ok(Norm)
    }
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let w_e = snapshot.weight("embed.W_E")?;
        out.scalar("first", f64::from(w_e.data()[0]));
        out.tensor("shape", &[2], w_e.shape().iter().map(|n| *n as f32));
        let firsts = [out.kept("firsts")?, vec![w_e.data()[0]]].concat();
        out.keep("firsts", &firsts)
    }
    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let firsts = out.kept("firsts")?;
        out.tensor("firsts", &[firsts.len()], firsts);
        out.keep("firsts", &[])?;
        out.formula(Formula {
            argument: "a − b".to_owned(),
            period: 5,
            keys: vec!["1".to_owned(), "2".to_owned()],
            explanation: "by a rule".to_owned(),
        });
        out.headline("sums on a circle");
        out.note("done");
        Ok(())
    }
}

struct Crate;

impl Exported for Crate {
    const PACKAGE: &'static str = "norms";
    fn all() -> &'static [Registration] {
        static ALL: &[Registration] = &[Registration::of::<Norm>("norms")];
        ALL
    }
}

/// Returns the entry, changed, as a library would have it.
fn entry(change: impl FnOnce(&mut Entry)) -> &'static Entry {
    let mut entry = Entry::of::<Crate>();
    change(&mut entry);
    Box::leak(Box::new(entry))
}

fn refused(change: impl FnOnce(&mut Entry)) -> String {
    unsafe { entry::check(entry(change)) }.unwrap_err()
}

fn analyses(change: impl FnOnce(&mut Entry)) -> Result<Vec<LoadedAnalysis>, String> {
    call::describe_all(
        unsafe { entry::check(entry(change)) }.unwrap(),
        Path::new("libnorms.so"),
    )
}

fn only() -> LoadedAnalysis {
    analyses(|_| ()).unwrap().remove(0)
}

/// Shows one snapshot to the only analysis of a changed entry.
fn shown(change: impl FnOnce(&mut Entry)) -> Result<Recorder, Failure> {
    let task = task("add", 5, |a, b| Some((a + b) % 5));
    let loaded = analyses(change).unwrap().remove(0);
    let mut instance = loaded.create(&Map::new(), &task)?;
    grokrun_api::testing::run(&mut *instance, &[random(&task, 0, 1)])
}

#[test]
fn a_plugin_does_across_the_border_what_it_does_here() {
    let task = task("add", 5, |a, b| Some((a + b) % 5));
    let snapshots = [random(&task, 0, 1), random(&task, 100, 2)];
    let mut loaded = only().create(&Map::new(), &task).unwrap();
    let there = grokrun_api::testing::run(&mut *loaded, &snapshots).unwrap();
    let mut linked: Box<dyn Instance> = Registration::of::<Norm>("norms")
        .create(&Map::new(), &task)
        .unwrap();
    let here = grokrun_api::testing::run(&mut *linked, &snapshots).unwrap();
    assert_eq!(there.findings, here.findings);
    assert_eq!(there.findings.len(), 8);
    assert_eq!(there.tensor("firsts").unwrap().0, [2]);
    assert!(there.kept.is_empty() && here.kept.is_empty());
    let analysis = only();
    assert_eq!(
        (
            analysis.about.name.as_str(),
            analysis.about.package.as_str(),
            analysis.about.needs.patterns()[0].to_string().as_str()
        ),
        ("norm", "norms", "weight.*")
    );
}

#[test]
fn parameters_are_judged_across_the_border() {
    let limit = |n: u32| json!({ "limit": n }).as_object().unwrap().clone();
    assert_eq!(only().check(&limit(3)), Ok(()));
    let wrong = only().check(&limit(10)).unwrap_err();
    assert_eq!(wrong, Failure::parameter("limit", "must be below 10"));
}

#[test]
fn entries_that_do_not_fit_are_refused_with_what_to_do() {
    assert!(refused(|e| e.magic = *b"NOTGROK\0").contains("does not begin"));
    let newer = refused(|e| e.major = 3);
    assert!(
        newer.contains("version 3") && newer.contains("newer grokrun"),
        "{newer}"
    );
    let older = refused(|e| e.major = 1);
    assert!(
        older.contains("version 1")
            && older.contains("rebuild")
            && older.contains("doc/plugins.md"),
        "{older}"
    );
    assert!(refused(|e| e.size = 40).contains("40 bytes"));
    assert!(refused(|e| e.flags = 0).contains("abort"));
    assert!(refused(|e| e.finish = None).contains("lacks a function"));
    assert!(unsafe { entry::check(std::ptr::null()) }.is_err());
}

#[test]
fn another_minor_is_welcome() {
    // A newer plugin's entry is longer and has a higher minor.
    #[repr(C)]
    struct Longer(Entry, [u64; 8]);
    let mut newer = Longer(Entry::of::<Crate>(), [7; 8]);
    newer.0.minor = 7;
    newer.0.size = size_of::<Longer>() as u32;
    let checked = unsafe { entry::check((&raw const newer).cast()) }.unwrap();
    assert_eq!(
        call::describe_all(checked, Path::new("libnorms.so"))
            .unwrap()
            .len(),
        1
    );
}

/// Emits the given findings instead of observing.
macro_rules! says {
    ($host:ident, $body:block) => {{
        unsafe extern "C" fn observe(
            _: *mut c_void,
            _: *const RawSnapshot,
            host: *const RawHost,
        ) -> i32 {
            let $host = unsafe { *host };
            $body
        }
        shown(|entry| entry.observe = Some(observe))
    }};
}

fn finding(kind: u32, name: Str, text: Str) -> RawFinding {
    RawFinding {
        size: size_of::<RawFinding>() as u32,
        kind,
        name,
        value: f64::NAN,
        shape: std::ptr::null(),
        ndim: 0,
        data: std::ptr::null(),
        len: 0,
        text,
    }
}

fn send(host: &RawHost, finding: RawFinding) {
    unsafe { host.push.unwrap()(host.context, &raw const finding) }
}

#[test]
fn what_makes_no_sense_is_a_failure_and_not_more() {
    static BAD: &[u8] = &[0xff, 0xfe];
    let utf8 = says!(host, {
        let name = Str {
            data: BAD.as_ptr(),
            len: 2,
        };
        send(&host, finding(kind::SCALAR, name, Str::of("")));
        DONE
    });
    assert!(utf8.unwrap_err().to_string().contains("UTF-8"));
    let shape = says!(host, {
        let numbers = [1.0f32; 3];
        let shape = [2u64, 2];
        let wrong = RawFinding {
            shape: shape.as_ptr(),
            ndim: 2,
            data: numbers.as_ptr(),
            len: 3,
            ..finding(kind::TENSOR, Str::of("square"), Str::of(""))
        };
        send(&host, wrong);
        DONE
    });
    assert!(shape.unwrap_err().to_string().contains("square"));
    let null = says!(host, {
        let name = Str {
            data: std::ptr::null(),
            len: 5,
        };
        send(&host, finding(kind::NOTE, name, Str::of("")));
        DONE
    });
    assert!(null.unwrap_err().to_string().contains("null"));
    let json = says!(host, {
        send(&host, finding(kind::FIGURE, Str::of("f"), Str::of("{")));
        DONE
    });
    assert!(json.unwrap_err().to_string().contains("JSON"));
    let short = says!(host, {
        let short = RawFinding {
            size: 8,
            ..finding(kind::NOTE, Str::of(""), Str::of(""))
        };
        send(&host, short);
        DONE
    });
    assert!(short.unwrap_err().to_string().contains("8 bytes"));
    let nothing = says!(host, {
        unsafe { host.push.unwrap()(host.context, std::ptr::null()) };
        DONE
    });
    assert!(nothing.is_err());
    let silent = says!(_host, { FAILED });
    assert!(silent.unwrap_err().to_string().contains("status 1"));
}

#[test]
fn what_is_odd_but_sound_is_taken() {
    let found = says!(host, {
        send(
            &host,
            finding(kind::SCALAR, Str::of("not a number"), Str::of("")),
        );
        // A kind of a later minor.
        send(&host, finding(99, Str::of("x"), Str::of("y")));
        DONE
    });
    let found = found.unwrap();
    assert!(found.last("not a number").unwrap().is_nan());
}

#[test]
fn descriptions_are_judged() {
    unsafe extern "C" fn endless(_: u32, host: *const RawHost) -> i32 {
        let host = unsafe { *host };
        let text =
            r#"{"name":"a","version":"1","summary":"s","needs":[],"scope":"any","schema":{}}"#;
        send(
            &host,
            finding(kind::DESCRIPTION, Str::of(""), Str::of(text)),
        );
        DONE
    }
    assert!(
        analyses(|e| e.describe = Some(endless))
            .unwrap_err()
            .contains("more than 1000")
    );
    unsafe extern "C" fn unknown(_: u32, host: *const RawHost) -> i32 {
        let host = unsafe { *host };
        let text = r#"{"name":"a","version":"1","summary":"s","needs":["dreams"],"scope":"any","schema":{}}"#;
        send(
            &host,
            finding(kind::DESCRIPTION, Str::of(""), Str::of(text)),
        );
        DONE
    }
    let why = analyses(|e| e.describe = Some(unknown)).unwrap_err();
    assert!(why.contains("dreams") && why.contains("newer"), "{why}");
    unsafe extern "C" fn mute(_: u32, _: *const RawHost) -> i32 {
        DONE
    }
    assert!(analyses(|e| e.describe = Some(mute)).is_err());
    unsafe extern "C" fn none(_: u32, _: *const RawHost) -> i32 {
        NO_MORE
    }
    assert!(analyses(|e| e.describe = Some(none)).unwrap().is_empty());
}

#[test]
fn files_that_are_no_plugins_export_none() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(exports(file.path()), Ok(vec![]));
    file.write_all(b"\x7fELF and no more").unwrap();
    assert_eq!(exports(file.path()), Ok(vec![]));
    let own = std::env::current_exe().unwrap();
    assert_eq!(exports(&own), Ok(vec![]));
    let whole = std::fs::read(&own).unwrap();
    std::fs::write(file.path(), &whole[..whole.len() / 3]).unwrap();
    assert!(exports(file.path()).is_ok());
    assert!(exports(std::path::Path::new("no such file")).is_err());
    assert!(open(file.path()).unwrap().is_empty());
}
