//! Takes connections and answers them.

use std::io::{self, BufWriter, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use grokrun_report::assets;
use grokrun_store::RunView;

use super::answer::{self, Head, OF_REPORT, Refusal};
use super::guard::{Decision, Guard};
use super::request::{self, Request};
use crate::events::Sent;
use crate::follow::Follower;

/// The most connections at a time, and the most of them that are sent what changes.
const MOST_CONNECTIONS: usize = 32;
const MOST_VIEWERS: usize = 16;
/// How long a client may take to read a piece of an answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// The longest time in which a viewer hears nothing: the page takes a longer one for an end.
const BEAT: Duration = Duration::from_secs(5);
/// The stack of a connection's thread.
const STACK: usize = 512 * 1024;

const PAGE: &str = include_str!("../../page/live.html");
const SCRIPT: &str = include_str!("../../page/live.js");
const STYLE: &str = include_str!("../../page/live.css");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// Where a server listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// the port; any free one where it is 0
    pub port: u16,
    /// the address; the loopback one, without a token, where none is given
    pub bind: Option<IpAddr>,
}

/// Says why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// the address or the port cannot be had
    #[error("cannot listen at {address}: {source}; {remedy}")]
    Listen {
        /// the address
        address: SocketAddr,
        /// why
        source: io::Error,
        /// what to do
        remedy: &'static str,
    },
    /// the system has no random numbers
    #[error("no token can be made: {0}")]
    Random(String),
    /// no thread can be started
    #[error("the page cannot be served: no thread can be started: {0}")]
    Thread(#[source] io::Error),
}

impl ServeError {
    /// Whether another address or port would do.
    pub fn is_request(&self) -> bool {
        matches!(self, ServeError::Listen { .. })
    }
}

/// Serves the page of a run until it is dropped.
pub struct Server {
    url: String,
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What connections share.
struct Shared {
    guard: Guard,
    follower: Arc<Follower>,
    connections: AtomicUsize,
    viewers: AtomicUsize,
    ends: Arc<AtomicBool>,
}

impl Server {
    /// Serves what a follower sees.
    ///
    /// # Errors
    /// The address cannot be listened at, or a thread cannot be started.
    pub fn start(follower: Arc<Follower>, options: Options) -> Result<Server, ServeError> {
        let ip = options.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let asked = SocketAddr::new(ip, options.port);
        let refused = |source: io::Error| {
            let remedy = match source.kind() {
                io::ErrorKind::AddrInUse => "use --port with another one, or without a free one",
                io::ErrorKind::AddrNotAvailable => "use --bind with an address of this machine",
                _ => "use --port with one above 1023, or without a free one",
            };
            ServeError::Listen {
                address: asked,
                source,
                remedy,
            }
        };
        let listener = TcpListener::bind(asked).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let guard = Guard::new(options.bind, address.port())
            .map_err(|error| ServeError::Random(error.to_string()))?;
        let url = guard.url();
        let ends = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            guard,
            follower,
            connections: AtomicUsize::new(0),
            viewers: AtomicUsize::new(0),
            ends: Arc::clone(&ends),
        });
        let thread = thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || take_connections(&listener, &shared))
            .map_err(ServeError::Thread)?;
        Ok(Server {
            url,
            address,
            ends,
            thread: Some(thread),
        })
    }

    /// The address of the page for a browser, with the token where there is one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        // Who waits for connections sees the end at the next one.
        let mut own = self.address;
        if own.ip().is_unspecified() {
            own.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let reached = TcpStream::connect_timeout(&own, Duration::from_secs(1));
        if let Some(thread) = self.thread.take().filter(|_| reached.is_ok()) {
            let _ended = thread.join();
        }
    }
}

/// Counts something as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// Counts one more; none where there are `most` already.
    fn new(count: &'a AtomicUsize, most: usize) -> Option<Counted<'a>> {
        let more = |now: usize| (now < most).then_some(now + 1);
        let counted = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.is_ok().then_some(Counted(count))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn take_connections(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ends.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut stream) = stream else {
            // Too many open files, for instance: some of them will be closed.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let patient = stream.set_write_timeout(Some(WRITE_PATIENCE));
        if patient.is_err() {
            continue;
        }
        let of_connection = Arc::clone(shared);
        if shared.connections.load(Ordering::Acquire) >= MOST_CONNECTIONS {
            let _gone = answer::refuse(&mut stream, Refusal::Busy, false);
            continue;
        }
        let started = thread::Builder::new()
            .name("page".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let counted = Counted::new(&of_connection.connections, MOST_CONNECTIONS);
                if counted.is_some() {
                    // A client that has gone away is no error.
                    let _gone = serve(&mut stream, &of_connection);
                    let _closed = stream.shutdown(Shutdown::Both);
                }
            });
        if started.is_err() {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Answers the one request of a connection.
fn serve(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let request = match request::read(stream) {
        Ok(request) => request,
        Err(Some(refusal)) => return answer::refuse(stream, refusal, false),
        Err(None) => return Ok(()),
    };
    let refuse =
        |stream: &mut TcpStream, refusal| answer::refuse(stream, refusal, request.head_only);
    match shared.guard.decide(&request) {
        Decision::Allowed => {}
        Decision::Foreign => return refuse(stream, Refusal::Foreign),
        Decision::Unknown => return refuse(stream, Refusal::Unknown),
        Decision::Welcomed(cookie) => {
            let mut head = Head::of("text/plain; charset=utf-8", 0);
            head.status = "303 See Other";
            head.more = vec!["Location: /".to_owned(), format!("Set-Cookie: {cookie}")];
            return answer::send(stream, &head, &[], request.head_only);
        }
    }
    let text = |stream: &mut TcpStream, kind, body: &str| {
        let head = Head::of(kind, body.len() as u64);
        answer::send(stream, &head, body.as_bytes(), request.head_only)
    };
    match request.path.as_str() {
        "/" => text(stream, HTML, PAGE),
        "/report.css" => text(stream, CSS, assets::STYLE),
        "/live.css" => text(stream, CSS, STYLE),
        "/figures.js" => text(stream, JAVASCRIPT, assets::DRAWING),
        "/plotly.js" => text(stream, JAVASCRIPT, assets::PLOTLY),
        "/live.js" => text(stream, JAVASCRIPT, SCRIPT),
        "/report.html" => report(stream, shared, request.head_only),
        "/events" => events(stream, shared, &request),
        _ => refuse(stream, Refusal::NotFound),
    }
}

/// Sends the run's report as it is.
fn report(stream: &mut TcpStream, shared: &Shared, head_only: bool) -> io::Result<()> {
    let opened = RunView::open(shared.follower.path()).map(|view| view.open_report());
    let Ok(Ok(file)) = opened else {
        return answer::refuse(stream, Refusal::NotFound, head_only);
    };
    let length = file.metadata()?.len();
    let mut head = Head::of(HTML, length);
    head.policy = OF_REPORT;
    answer::send(stream, &head, &[], head_only)?;
    if !head_only {
        io::copy(&mut file.take(length), stream)?;
    }
    stream.flush()
}

/// Sends what changes, until the client goes away or the program ends.
fn events(stream: &mut TcpStream, shared: &Shared, request: &Request) -> io::Result<()> {
    let Some(_counted) = Counted::new(&shared.viewers, MOST_VIEWERS) else {
        return answer::refuse(stream, Refusal::Busy, request.head_only);
    };
    let mut head = Head::of("text/event-stream", 0);
    head.length = None;
    if request.head_only {
        return answer::send(stream, &head, &[], true);
    }
    let cell = request.asked("cell").and_then(|place| place.parse().ok());
    let viewer = shared.follower.view(cell);
    let mut sent = Sent::default();
    let mut to = BufWriter::new(stream);
    head.write(&mut to)?;
    // How long a browser waits before it connects again.
    to.write_all(b"retry: 1000\n\n")?;
    to.flush()?;
    while !shared.ends.load(Ordering::Acquire) {
        match viewer.wait(sent.revision(), BEAT) {
            Some(now) => {
                for event in sent.events(&now, cell) {
                    write!(to, "event: {}\ndata: {}\n\n", event.name, event.data)?;
                }
                if now.closing {
                    return to.flush();
                }
                write!(to, "id: {}\nevent: beat\ndata: {{}}\n\n", now.revision)?;
            }
            None => to.write_all(b"event: beat\ndata: {}\n\n")?,
        }
        to.flush()?;
    }
    Ok(())
}
