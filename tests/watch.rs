//! `grokrun watch` and `--watch`: a run that another process trains is followed, the page is for
//! who may see it alone, and nothing of it touches the run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::browser::{Browser, chromium};
use crate::support::{Bench, CELL, SMALL, wait_for, wait_until};

#[cfg(unix)]
use crate::support::signal;

/// [`SMALL`], so long that it does not end during a test.
fn endless() -> String {
    SMALL.replace("epochs = 300", "epochs = 4000000")
}

fn rows(bench: &Bench) -> PathBuf {
    bench
        .path()
        .join(format!("runs/small/cells/{CELL}/live.rows"))
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    #[cfg(unix)]
    fn interrupted(mut self) -> Option<i32> {
        signal(&self.0, "-INT");
        self.0.wait().expect("it ends").code()
    }
}

/// Starts training, and waits until there is something to see.
fn training(bench: &Bench, args: &[&str]) -> Running {
    let child = Running(bench.spawn(&[&["small.toml", "--backend", "cpu"], args].concat()));
    wait_for(bench, 100);
    wait_until("no rows", || rows(bench).exists());
    child
}

/// Starts a command, and reads the first line that begins so from what it prints.
fn started(bench: &Bench, args: &[&str], line: &str) -> (Running, String) {
    let mut command = bench.command(args);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The address of `watch` is its result; beside training it is one line of progress.
    let out = child.stdout.take().expect("a pipe");
    let err = child.stderr.take().expect("a pipe");
    let from: Box<dyn Read + Send> = match args[0] {
        "watch" => Box::new(out),
        _ => Box::new(err),
    };
    let mut reader = BufReader::new(from);
    let found = loop {
        let mut text = String::new();
        assert!(reader.read_line(&mut text).expect("text") > 0, "no {line}");
        if let Some(rest) = text.strip_prefix(line) {
            break rest.trim_end().to_owned();
        }
    };
    // What it prints later has to go somewhere.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    (Running(child), found)
}

/// The host and the rest of an address.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("an address");
    let at = rest.find('/').expect("a path");
    rest.split_at(at)
}

/// Sends a request with these lines after the first.
fn send(url: &str, path: &str, fields: &str) -> TcpStream {
    let (host, _) = parts(url);
    let mut stream = TcpStream::connect(host).expect("a server");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a time-out");
    write!(stream, "GET {path} HTTP/1.1\r\n{fields}\r\n").expect("a request");
    stream
}

/// All of the answer to a request with these lines, or, without any, with the server's host.
fn answer(url: &str, path: &str, fields: &str) -> String {
    let own = format!("Host: {}\r\n", parts(url).0);
    let fields = if fields.is_empty() { &own } else { fields };
    let mut text = String::new();
    let read = send(url, path, fields).read_to_string(&mut text);
    read.expect("an answer");
    text
}

/// What a page is told, event by event.
struct Events(BufReader<TcpStream>);

impl Events {
    fn of(url: &str) -> Events {
        let host = parts(url).0;
        Events(BufReader::new(send(
            url,
            "/events",
            &format!("Host: {host}\r\n"),
        )))
    }

    /// The data of the next event of this name.
    fn next(&mut self, name: &str) -> Value {
        let wanted = format!("event: {name}\n");
        let (mut line, mut is_it) = (String::new(), false);
        loop {
            line.clear();
            assert!(
                self.0.read_line(&mut line).expect("a line") > 0,
                "no {name}"
            );
            match line.strip_prefix("data: ") {
                Some(data) if is_it => return serde_json::from_str(data).expect("JSON"),
                _ => is_it = line == wanted || (is_it && line.starts_with("id:")),
            }
        }
    }

    /// The last epoch of the next curve.
    fn epoch(&mut self) -> u64 {
        let curve = self.next("curve");
        let epochs = curve["x"].as_array().expect("epochs");
        epochs.last().and_then(Value::as_u64).expect("an epoch")
    }
}

#[cfg(unix)]
#[test]
fn a_run_of_another_process_is_followed_and_left_as_it_is() {
    let bench = Bench::new(&endless());
    let trained = training(&bench, &[]);
    let (watched, url) = started(&bench, &["watch", "runs/small"], "");
    let mut events = Events::of(&url);
    let run = events.next("run");
    assert_eq!(
        (&run["name"], &run["heading"]),
        (&"small".into(), &"a × b mod 23".into())
    );
    assert_eq!(
        (&run["state"], &run["cells"]),
        (&"training".into(), &1.into())
    );
    let cells = events.next("cells");
    assert_eq!(
        (&cells["rows"][0]["id"], &cells["rows"][0]["epochs"]),
        (&CELL.into(), &4_000_000.into())
    );
    let first = events.epoch();
    let spectrum = events.next("embedding");
    // Multiplication modulo 23: 22 characters in 11 components, and the circles of four.
    assert_eq!(
        spectrum["figures"][0]["data"][0]["y"]
            .as_array()
            .map(Vec::len),
        Some(11)
    );
    assert_eq!(spectrum["figures"].as_array().map(Vec::len), Some(5));
    // Rows come without a saved state: those are ten seconds apart.
    let later = events.epoch();
    assert!(later > first, "{first} {later}");

    for (fields, status) in [
        ("Host: evil.example\r\n", "HTTP/1.1 403"),
        ("Host: 127.0.0.1\r\n", "HTTP/1.1 403"),
        ("X: y\r\n", "HTTP/1.1 403"),
    ] {
        assert!(answer(&url, "/", fields).starts_with(status), "{fields}");
    }
    let host = parts(&url).0;
    let foreign = format!("Host: {host}\r\nOrigin: http://evil.example\r\n");
    assert!(answer(&url, "/events", &foreign).starts_with("HTTP/1.1 403"));
    for path in ["/../run.json", "/run.json", "/cells", "/log.jsonl"] {
        assert!(answer(&url, path, "").starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(answer(&url, "/", "").contains("<script src=\"/live.js\">"));

    assert_eq!(watched.interrupted(), Some(0), "Ctrl-C ends the page");
    events.next("closing");
    let length = || std::fs::metadata(rows(&bench)).map_or(0, |found| found.len());
    let then = length();
    wait_until("training has stopped", || length() > then);
    assert_eq!(trained.interrupted(), Some(130));
    assert!(!rows(&bench).exists(), "all of it is in the state");
    let out = bench.run(&["watch", "runs/small", "--text"]).exits(0).out();
    assert!(out.contains("no process trains the run"), "{out}");
}

#[cfg(unix)]
#[test]
fn a_killed_run_has_rows_that_go_when_it_goes_on() {
    let bench = Bench::new(&SMALL.replace("epochs = 300", "epochs = 3000"));
    let trained = training(&bench, &[]);
    let known = rows(&bench);
    let length = || std::fs::metadata(&known).map_or(0, |found| found.len());
    // Of more than a hundred epochs, 32 bytes each.
    wait_until("the rows are written", || length() > 32 * 200);
    signal(&trained.0, "-KILL");
    drop(trained);
    // Torn, as a kill may leave it.
    let bytes = std::fs::read(&known).unwrap();
    std::fs::write(&known, &bytes[..bytes.len() - 5]).unwrap();
    let (_watched, url) = started(&bench, &["watch", "runs/small"], "");
    let first = Events::of(&url).epoch();
    assert!(first > 100, "{first}");
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    assert!(!known.exists());
    let mut events = Events::of(&url);
    assert_eq!(events.next("run")["state"], "done");
    assert_eq!(events.epoch(), 2999);
}

#[test]
fn training_serves_its_own_page_and_says_when_it_ends() {
    let bench = Bench::new(&SMALL.replace("epochs = 300", "epochs = 3000"));
    let args = ["small.toml", "--backend", "cpu", "--watch"];
    let (mut trained, url) = started(&bench, &args, "live page: ");
    let mut events = Events::of(&url);
    events.next("closing");
    assert_eq!(trained.0.wait().unwrap().code(), Some(0));
    // The same files as without.
    let other = Bench::new(&SMALL.replace("epochs = 300", "epochs = 3000"));
    other.run(&["small.toml", "--backend", "cpu"]).exits(0);
    crate::support::assert_same(&bench.files("small"), &other.files("small"));
    bench
        .run(&["small.toml", "--port", "80"])
        .exits(2)
        .says(&["--watch"]);
    // So does a run that is made longer.
    let extend = [
        "extend",
        "runs/small",
        "--epochs",
        "6000",
        "--backend",
        "cpu",
    ];
    let (mut extended, url) = started(&bench, &[&extend[..], &["--watch"]].concat(), "live page: ");
    let mut events = Events::of(&url);
    events.next("closing");
    assert_eq!(extended.0.wait().unwrap().code(), Some(0));
    other.run(&extend).exits(0);
    crate::support::assert_same(&bench.files("small"), &other.files("small"));
}

#[test]
fn cells_of_a_sweep_are_distinguished_and_one_is_chosen() {
    let spec = SMALL.replace("model = 2", "model = [2, 3, 4]");
    let bench = Bench::new(&spec);
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let (_watched, url) = started(&bench, &["watch", "runs/small"], "");
    let host = parts(&url).0;
    let mut events = Events(BufReader::new(send(
        &url,
        "/events?cell=2",
        &format!("Host: {host}\r\n"),
    )));
    let run = events.next("run");
    assert_eq!(
        (&run["state"], &run["words"]),
        (&"done".into(), &"done: 3 done".into())
    );
    let cells = events.next("cells");
    let ids = |i: usize| cells["rows"][i]["id"].as_str().unwrap().to_owned();
    assert!(
        ids(0).ends_with("-m2") && ids(2).ends_with("-m4"),
        "{cells}"
    );
    assert_eq!(cells["rows"][1]["state"], "finished");
    let curve = events.next("curve");
    assert_eq!((&curve["cell"], &curve["id"]), (&2.into(), &ids(2).into()));
    assert_eq!(curve["x"].as_array().map(Vec::len), Some(300));
    let log = events.next("log");
    let lines = log["lines"].as_array().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line["text"].as_str().unwrap().contains("run ends")),
        "{log}"
    );
}

#[test]
fn an_address_that_was_asked_for_wants_a_token() {
    let bench = Bench::new(SMALL);
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let args = ["watch", "runs/small", "--bind", "127.0.0.1"];
    let (_watched, url) = started(&bench, &args, "");
    let (host, path) = parts(&url);
    assert!(path.starts_with("/?token="), "{url}");
    for path in ["/", "/events", "/?token=0", "/report.html"] {
        assert!(answer(&url, path, "").starts_with("HTTP/1.1 403"), "{path}");
    }
    let welcome = answer(&url, path, "");
    assert!(welcome.starts_with("HTTP/1.1 303"), "{welcome}");
    let cookie = welcome.split("Set-Cookie: ").nth(1).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let fields = format!("Host: {host}\r\nCookie: {cookie}\r\n");
    assert!(answer(&url, "/report.html", &fields).contains("a × b mod 23"));
}

#[test]
fn text_tells_of_a_run_until_it_ends() {
    let bench = Bench::new(&SMALL.replace("epochs = 300", "epochs = 3000"));
    let mut trained = training(&bench, &[]);
    let out = bench.run(&["watch", "runs/small", "--text"]).exits(0).out();
    trained.0.wait().unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].contains("epoch ") && lines[0].contains("/3000"),
        "{out}"
    );
    assert_eq!(lines.last(), Some(&"done"), "{out}");
    assert!(out.contains(&format!("{CELL}: ")), "{out}");
    let output = bench.run(&["watch", "runs", "--text"]).exits(2);
    output.says(&["holds no run"]);
    bench
        .run(&["watch", "runs/small", "--text", "--port", "1"])
        .exits(2);
}

#[test]
fn the_page_moves_while_a_run_trains() {
    let Some(chromium) = chromium() else { return };
    let bench = Bench::new(&endless());
    let _trained = training(&bench, &[]);
    let (watched, url) = started(&bench, &["watch", "runs/small"], "");
    let mut browser = Browser::start(chromium, bench.path());
    for dark in [false, true] {
        browser.visit(&url, 1200, dark);
        browser.until("document.querySelectorAll('.figure[data-drawn=yes]').length === 7");
        let drawings = browser.value("Number(document.getElementById('loss').dataset.drawings)");
        browser.until(&format!(
            "Number(document.getElementById('loss').dataset.drawings) > {drawings}"
        ));
        let last = "document.getElementById('loss').data[1].x.slice(-1)[0]";
        let epoch = browser.value(last);
        browser.until(&format!("{last} > {epoch}"));
        let wide = browser.value("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(wide, true, "nothing is wider than the page");
    }
    assert_eq!(browser.value("document.title"), "a × b mod 23 · training");
    assert!(
        browser.complaints().is_empty(),
        "{:?}",
        browser.complaints()
    );
    drop(watched);
    browser.until("document.getElementById('link').classList.contains('lost')");
}

/// A batch ends with the first of its cells; those that go on are seen on.
#[test]
fn a_cell_is_seen_on_when_another_of_its_batch_ends() {
    let two = endless().replace(
        "[train]",
        "[train]\nlearning_rate = [1e-3, 1e-12]\nstop = { confused = { train_accuracy = 0.5, by = 500 } }",
    );
    let bench = Bench::new(&two);
    let _training = Running(bench.spawn(&["small.toml", "--backend", "cpu"]));
    let file = |rate: &str, name: &str| {
        let cell = format!("runs/small/cells/{CELL}-lr{rate}");
        bench.path().join(cell).join(name)
    };
    wait_until("the confused cell has not ended", || {
        file("1e-12", "metrics.parquet").exists()
    });
    wait_until("the other one shows no rows", || {
        file("0.001", "live.rows").exists()
    });
}
