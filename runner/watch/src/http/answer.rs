//! What a client is sent: a head with its rules, and a body.

use std::io::{self, Write};

/// What the page may do: load and ask what this server has, and nothing else. Plotly writes styles
/// of its own.
pub(super) const OF_PAGE: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// What a report may do: it is one file, whose scripts stand in it. It may be somebody else's, and
/// so it is of no origin and reaches nothing.
pub(super) const OF_REPORT: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; sandbox allow-scripts allow-downloads";

/// Says why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// it is no HTTP
    Garbled,
    /// it wants to change something
    Method,
    /// its head is too long
    TooLong,
    /// its head did not come in time
    TooSlow,
    /// it comes under another name, or from another page
    Foreign,
    /// it does not know the token
    Unknown,
    /// there is no such thing
    NotFound,
    /// there are too many clients
    Busy,
}

impl Refusal {
    /// Returns status and words.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Refusal::Garbled => (
                "400 Bad Request",
                "this is no HTTP request that this server understands",
            ),
            Refusal::Method => (
                "405 Method Not Allowed",
                "the page of a run is only looked at: expected GET or HEAD",
            ),
            Refusal::TooLong => (
                "431 Request Header Fields Too Large",
                "the head of the request is too long",
            ),
            Refusal::TooSlow => (
                "408 Request Timeout",
                "the head of the request did not come in time",
            ),
            Refusal::Foreign => (
                "403 Forbidden",
                "this address is not the one that grokrun has printed, or another page has asked; open the printed address",
            ),
            Refusal::Unknown => (
                "403 Forbidden",
                "the token is missing or not the right one; open the address that grokrun has printed, with its token",
            ),
            Refusal::NotFound => (
                "404 Not Found",
                "there is no such page; expected / or /report.html",
            ),
            Refusal::Busy => (
                "503 Service Unavailable",
                "too many pages look at this run; close one of them",
            ),
        }
    }
}

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) policy: &'static str,
    /// bytes of the body; none of one that goes on until the connection ends
    pub(super) length: Option<u64>,
    /// other fields, a line each
    pub(super) more: Vec<String>,
}

impl Head {
    /// Returns that of a text that is there.
    pub(super) fn of(kind: &'static str, length: u64) -> Head {
        Head {
            status: "200 OK",
            kind,
            policy: OF_PAGE,
            length: Some(length),
            more: Vec::new(),
        }
    }

    /// Writes it.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Security-Policy: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Connection: close\r\n",
            self.status, self.kind, self.policy
        );
        if let Some(length) = self.length {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for line in &self.more {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        to.write_all(text.as_bytes())
    }
}

/// Sends a whole text, or only its head.
pub(super) fn send(
    to: &mut impl Write,
    head: &Head,
    body: &[u8],
    head_only: bool,
) -> io::Result<()> {
    head.write(to)?;
    if !head_only {
        to.write_all(body)?;
    }
    to.flush()
}

/// Sends why there is no answer.
pub(super) fn refuse(to: &mut impl Write, refusal: Refusal, head_only: bool) -> io::Result<()> {
    let (status, words) = refusal.words();
    let body = format!("{words}\n");
    let mut head = Head::of("text/plain; charset=utf-8", body.len() as u64);
    head.status = status;
    if refusal == Refusal::Method {
        head.more.push("Allow: GET, HEAD".to_owned());
    }
    send(to, &head, body.as_bytes(), head_only)
}
