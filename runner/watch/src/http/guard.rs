//! Who may see the page.
//!
//! On the loopback address whoever is on this machine; on any other one, or where an address was
//! asked for, who knows the token. A page of somebody else in the same browser must see nothing
//! either: it can make the browser connect here under a name of its own (`Host`), or say where the
//! request comes from (`Origin`), and both have to be this server's.

use std::net::{IpAddr, Ipv4Addr};

use super::request::Request;

/// Decides about requests.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    bind: IpAddr,
    port: u16,
    token: Option<Token>,
}

/// What a client has to know. Compared by their digests, in a time that tells nothing of how much
/// of it was right.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    digest: blake3::Hash,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is answered.
    Allowed,
    /// It has brought the token in its address: the browser keeps it as this cookie, and asks again
    /// without.
    Welcomed(String),
    /// It comes under another name, or from another page.
    Foreign,
    /// It does not know the token.
    Unknown,
}

impl Guard {
    /// Guards what listens at this address; with a token where an address was asked for.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(asked: Option<IpAddr>, port: u16) -> Result<Guard, getrandom::Error> {
        let token = match asked {
            None => None,
            Some(_) => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let digest = blake3::hash(text.as_bytes());
                Some(Token { text, digest })
            }
        };
        let bind = asked.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Guard { bind, port, token })
    }

    /// The address of the page for a browser, with the token.
    pub(super) fn url(&self) -> String {
        let shown = match self.bind {
            // From this machine; elsewhere its address stands there.
            all if all.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            one => one,
        };
        let host = match shown {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let token = self.token.as_ref();
        let query = token.map_or(String::new(), |token| format!("?token={}", token.text));
        format!("http://{host}:{}/{query}", self.port)
    }

    /// Decides about a request.
    pub(super) fn decide(&self, request: &Request) -> Decision {
        let host = request.host.as_deref();
        if !host.is_some_and(|host| self.is_own(host)) {
            return Decision::Foreign;
        }
        let own = |origin: &str| {
            let host = origin.strip_prefix("http://");
            host.is_some_and(|host| self.is_own(host))
        };
        if !request.origin.as_deref().is_none_or(own) {
            return Decision::Foreign;
        }
        let Some(token) = &self.token else {
            return Decision::Allowed;
        };
        let knows = |text: &str| blake3::hash(text.as_bytes()) == token.digest;
        let cookie = self.cookie();
        if request.cookie(&cookie).is_some_and(knows) {
            Decision::Allowed
        } else if request.asked("token").is_some_and(knows) {
            let text = &token.text;
            Decision::Welcomed(format!(
                "{cookie}={text}; Path=/; HttpOnly; SameSite=Strict"
            ))
        } else {
            Decision::Unknown
        }
    }

    /// The name of the cookie: cookies know no ports, and two runs may be watched on one machine.
    fn cookie(&self) -> String {
        format!("grokrun-{}", self.port)
    }

    /// Whether a host, with its port, is this server. Where it listens at all addresses any that is
    /// written as a number may be its own; a name would be somebody's who lets it lead here.
    fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((name, port)) => (name, port.strip_prefix(':')),
                None => return false,
            },
            None => match host.rsplit_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (host, None),
            },
        };
        let right_port = match port {
            Some(port) => port == self.port.to_string(),
            None => self.port == 80,
        };
        let local = self.bind.is_loopback() || self.bind.is_unspecified();
        let right_name = match name.parse::<IpAddr>() {
            Ok(_) if self.bind.is_unspecified() => true,
            Ok(ip) if self.bind.is_loopback() => ip.is_loopback(),
            Ok(ip) => ip == self.bind,
            Err(_) => local && name.eq_ignore_ascii_case("localhost"),
        };
        right_port && right_name
    }
}
