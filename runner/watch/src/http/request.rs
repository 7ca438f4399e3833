//! Reads the head of a request, in bounded bytes and time.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::answer::Refusal;

/// The most bytes of a head.
const LONGEST: usize = 8 * 1024;
/// The most fields of a head.
const MOST_FIELDS: usize = 64;
/// How long a client may take to send a head.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A request, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) head_only: bool,
    /// as it was sent, without the query
    pub(super) path: String,
    /// as it was sent
    pub(super) query: String,
    pub(super) host: Option<String>,
    pub(super) origin: Option<String>,
    /// all fields of this name, one after the other
    pub(super) cookies: Vec<String>,
}

impl Request {
    /// Returns the value of a key of the query, as it was sent.
    pub(super) fn asked(&self, key: &str) -> Option<&str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Returns the value of a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.cookies.iter().flat_map(|field| field.split(';'));
        let mut pairs = all.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// Reads a request from a client.
///
/// # Errors
/// What the client is to be told, or nothing if it has gone away.
pub(super) fn read(stream: &mut TcpStream) -> Result<Request, Option<Refusal>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Some(Refusal::TooSlow));
        }
        let count = match stream.read(&mut piece) {
            Ok(0) => return Err(None),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Some(Refusal::TooSlow));
            }
            Err(_) => return Err(None),
        };
        head.extend(&piece[..count]);
        match parse(&head) {
            Ok(Some(request)) => return Ok(request),
            Ok(None) if head.len() > LONGEST => return Err(Some(Refusal::TooLong)),
            Ok(None) => {}
            Err(refusal) => return Err(Some(refusal)),
        }
    }
}

/// Parses a head; none if it has no end yet.
pub(super) fn parse(head: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLong),
        Err(_) => return Err(Refusal::Garbled),
    }
    let head_only = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Refusal::Method),
    };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        head_only,
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    for field in parsed.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let value = || {
            let value = std::str::from_utf8(field.value);
            value.map(str::to_owned).map_err(|_| Refusal::Garbled)
        };
        let place = if is("host") {
            &mut request.host
        } else if is("origin") {
            &mut request.origin
        } else if is("cookie") {
            request.cookies.push(value()?);
            continue;
        } else {
            continue;
        };
        // Two of them would let a proxy and this server read different ones.
        if place.replace(value()?).is_some() {
            return Err(Refusal::Garbled);
        }
    }
    Ok(Some(request))
}
