//! The server of the live page: what may connect, what is answered, and for how long.
//!
//! One thread takes connections, and each has a thread of its own for one request. The head of a
//! request is parsed by `httparse`; everything around it is bounded: connections, bytes and seconds
//! of a head, seconds that a client may take to read. Requests have no bodies, and change nothing.

mod answer;
mod guard;
mod request;
mod server;
#[cfg(test)]
mod tests;

pub use server::{Options, ServeError, Server};
