use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grokrun_store::{Access, Metrics, Row, RunDir, RunView};

use super::answer::Refusal;
use super::guard::{Decision, Guard};
use super::request::{Request, parse};
use super::{Options, Server};
use crate::follow::Follower;
use crate::snapshot::Planned;

fn request(head: &str) -> Request {
    let text = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
    parse(text.as_bytes()).unwrap().unwrap()
}

#[test]
fn a_head_is_parsed_when_it_is_whole() {
    let head = "GET /events?cell=3&token=ab HTTP/1.1\r\nhost: h:1\r\nCookie: a=1; b=2\r\nORIGIN: http://h:1\r\n\r\n";
    for end in 0..head.len() {
        assert_eq!(parse(&head.as_bytes()[..end]), Ok(None), "{end}");
    }
    let parsed = parse(head.as_bytes()).unwrap().unwrap();
    assert_eq!(
        (parsed.path.as_str(), parsed.asked("cell")),
        ("/events", Some("3"))
    );
    assert_eq!(
        (parsed.asked("token"), parsed.asked("x")),
        (Some("ab"), None)
    );
    assert_eq!((parsed.cookie("b"), parsed.cookie("c")), (Some("2"), None));
    assert_eq!(parsed.origin.as_deref(), Some("http://h:1"));
    for (head, refusal) in [
        ("POST / HTTP/1.1\r\nhost: h\r\n\r\n", Refusal::Method),
        ("DELETE /x HTTP/1.1\r\n\r\n", Refusal::Method),
        ("\u{0}\u{1}\r\n\r\n", Refusal::Garbled),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            Refusal::Garbled,
        ),
    ] {
        assert_eq!(parse(head.as_bytes()), Err(refusal), "{head}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert_eq!(parse(many.as_bytes()), Err(Refusal::TooLong));
}

#[test]
fn only_this_servers_own_name_is_answered() {
    let port = 8123;
    let decide =
        |bind: Option<IpAddr>, head: &str| Guard::new(bind, port).unwrap().decide(&request(head));
    let host = |bind, host: &str| decide(bind, &format!("GET / HTTP/1.1\nHost: {host}"));
    for own in [
        "127.0.0.1:8123",
        "localhost:8123",
        "LOCALHOST:8123",
        "[::1]:8123",
    ] {
        assert_eq!(host(None, own), Decision::Allowed, "{own}");
    }
    for foreign in [
        "evil.example:8123",
        "127.0.0.1.evil.example:8123",
        "127.0.0.1",
        "127.0.0.1:8124",
        "10.0.0.7:8123",
        "localhost.:8123",
        "[::1:8123",
        ":8123",
        "",
    ] {
        assert_eq!(host(None, foreign), Decision::Foreign, "{foreign}");
    }
    assert_eq!(decide(None, "GET / HTTP/1.1"), Decision::Foreign, "no host");
    let origin = |origin: &str| {
        decide(
            None,
            &format!("GET /events HTTP/1.1\nHost: 127.0.0.1:8123\nOrigin: {origin}"),
        )
    };
    assert_eq!(origin("http://127.0.0.1:8123"), Decision::Allowed);
    for foreign in [
        "null",
        "https://127.0.0.1:8123",
        "http://evil.example",
        "http://127.0.0.1:1",
    ] {
        assert_eq!(origin(foreign), Decision::Foreign, "{foreign}");
    }
    // Asked for: then a token is wanted as well, and the name is that of the address.
    let here = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)));
    assert_eq!(host(here, "10.0.0.7:8123"), Decision::Unknown);
    assert_eq!(host(here, "localhost:8123"), Decision::Foreign);
    let everywhere = Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    assert_eq!(host(everywhere, "192.168.1.2:8123"), Decision::Unknown);
    assert_eq!(host(everywhere, "rebound.example:8123"), Decision::Foreign);
}

#[test]
fn a_token_is_brought_once_and_kept_as_a_cookie() {
    let here = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let guard = Guard::new(Some(here), 80).unwrap();
    let url = guard.url();
    let token = url.split_once("?token=").unwrap().1;
    assert_eq!(token.len(), 32);
    let decide = |rest: &str| guard.decide(&request(&format!("GET /{rest}\nHost: 10.0.0.7")));
    let Decision::Welcomed(cookie) = decide(&format!("?token={token} HTTP/1.1")) else {
        panic!("the token is right");
    };
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(
        decide(&format!(" HTTP/1.1\nCookie: x=y; {cookie}")),
        Decision::Allowed
    );
    for wrong in [
        "",
        "?token=",
        &format!("?token={}", &token[..31]),
        "?token=0",
    ] {
        assert_eq!(
            decide(&format!("{wrong} HTTP/1.1")),
            Decision::Unknown,
            "{wrong}"
        );
    }
    let other = Guard::new(Some(here), 80).unwrap();
    assert_ne!(other.url(), url, "each has one of its own");
    // A token does not make a foreign page welcome.
    let foreign = format!("GET /?token={token} HTTP/1.1\nHost: evil.example");
    assert_eq!(guard.decide(&request(&foreign)), Decision::Foreign);
}

/// A served run of one cell with some epochs, and what has to stay for it.
struct Served {
    _folder: tempfile::TempDir,
    run: RunDir,
    follower: Arc<Follower>,
    server: Server,
}

fn history(epochs: u64) -> Metrics {
    let mut metrics = Metrics::default();
    for epoch in 0..epochs {
        metrics.push(Row {
            epoch,
            train_loss: 0.5,
            test_loss: 2.0,
            train_accuracy: 1.0,
            test_accuracy: 0.5,
        });
    }
    metrics
}

fn serve(options: Options) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::open(folder.path(), "r", "", "", "f", Access::Continue).unwrap();
    run.cell("c")
        .unwrap()
        .live_rows()
        .append(&history(100))
        .unwrap();
    let load = |_: &RunView| {
        Ok(Planned {
            cells: vec!["c".to_owned()],
            epochs: 900,
            table: Box::new(|_| Ok(None)),
        })
    };
    let follower = Arc::new(Follower::start(run.path(), Box::new(load)).unwrap());
    let server = Server::start(Arc::clone(&follower), options).unwrap();
    Served {
        _folder: folder,
        run,
        follower,
        server,
    }
}

impl Served {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// What is answered to a request for this path, to the end.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = self.connect();
        let port = self.server.address().port();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

#[test]
fn the_page_its_parts_and_nothing_else_are_served() {
    let served = serve(Options::default());
    for (path, part) in [
        ("/", "<script src=\"/live.js\">"),
        ("/live.js", "EventSource"),
        ("/figures.js", "const figures"),
        ("/plotly.js", "Plotly"),
        ("/report.css", "--text"),
        ("/live.css", ".link"),
    ] {
        let answer = served.ask("GET", path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}");
        assert!(answer.contains(part), "{path}");
        for rule in [
            "default-src 'none'",
            "nosniff",
            "no-referrer",
            "frame-ancestors 'none'",
        ] {
            assert!(answer.contains(rule), "{path}: {rule}");
        }
        let head = served.ask("HEAD", path);
        assert!(
            head.ends_with("\r\n\r\n") && head.contains("Content-Length: "),
            "{path}"
        );
    }
    for path in [
        "/run.json",
        "/../run.json",
        "/report.html",
        "/report.html/../run.json",
        "/cells/c/live.rows",
        "//etc/passwd",
        "/%2e%2e/run.json",
        "/events/",
    ] {
        assert!(
            served.ask("GET", path).starts_with("HTTP/1.1 404 "),
            "{path}"
        );
    }
    assert!(served.ask("POST", "/").contains("Allow: GET, HEAD"));
    std::fs::write(served.run.path().join("report.html"), "<h1>a report</h1>").unwrap();
    let report = served.ask("GET", "/report.html?x=1");
    assert!(report.contains("<h1>a report</h1>") && report.contains("sandbox allow-scripts"));
}

#[cfg(unix)]
#[test]
fn a_report_that_is_a_link_to_a_pipe_is_none() {
    let served = serve(Options::default());
    std::os::unix::fs::symlink("/dev/zero", served.run.path().join("report.html")).unwrap();
    assert!(
        served
            .ask("GET", "/report.html")
            .starts_with("HTTP/1.1 404 ")
    );
}

/// Reads events until one of this name; returns its data.
fn until(stream: &mut TcpStream, text: &mut String, name: &str) -> serde_json::Value {
    let start = format!("event: {name}\ndata: ");
    let mut piece = [0; 4096];
    loop {
        if let Some((_, rest)) = text.split_once(&start)
            && let Some((data, rest)) = rest.split_once("\n\n")
        {
            let data = serde_json::from_str(data).unwrap();
            *text = rest.to_owned();
            return data;
        }
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the stream ends: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}

#[test]
fn a_viewer_hears_of_new_epochs_and_of_the_end() {
    let served = serve(Options::default());
    let mut stream = served.connect();
    let port = served.server.address().port();
    write!(
        stream,
        "GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    let run = until(&mut stream, &mut text, "run");
    assert_eq!((&run["name"], &run["cells"]), (&"r".into(), &1.into()));
    let curve = until(&mut stream, &mut text, "curve");
    assert_eq!(curve["x"].as_array().map(Vec::len), Some(100));
    until(&mut stream, &mut text, "beat");
    served
        .run
        .cell("c")
        .unwrap()
        .live_rows()
        .append(&history(130))
        .unwrap();
    let curve = until(&mut stream, &mut text, "curve");
    assert_eq!(
        (&curve["from"], curve["x"].as_array().map(Vec::len)),
        (&100.into(), Some(30))
    );
    let ending = std::thread::spawn({
        let follower = Arc::clone(&served.follower);
        move || follower.close()
    });
    until(&mut stream, &mut text, "closing");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    ending.join().unwrap();
}

#[test]
fn a_slow_or_long_head_and_too_many_viewers_are_refused() {
    let served = serve(Options::default());
    let mut slow = served.connect();
    slow.write_all(b"GET / HT").unwrap();
    let mut long = served.connect();
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(9000));
    long.write_all(endless.as_bytes()).unwrap();
    let mut answer = [0; 16];
    long.read_exact(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 431"));

    let port = served.server.address().port();
    let mut viewers = Vec::new();
    let began = Instant::now();
    let refused = loop {
        let mut stream = served.connect();
        write!(
            stream,
            "GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
        )
        .unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        if status.ends_with(b"503") {
            break viewers.len();
        }
        assert!(status.ends_with(b"200") && began.elapsed() < Duration::from_secs(20));
        viewers.push(stream);
    };
    assert_eq!(refused, 16);
    let mut text = String::new();
    slow.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let served = serve(Options::default());
    let options = Options {
        port: served.server.address().port(),
        bind: None,
    };
    let error = Server::start(Arc::clone(&served.follower), options)
        .err()
        .unwrap();
    assert!(
        error.is_request() && error.to_string().contains("--port"),
        "{error}"
    );
}
