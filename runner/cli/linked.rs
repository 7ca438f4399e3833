//! Names the plugins that are linked into the program: those that the root manifest depends on.

include!(concat!(env!("OUT_DIR"), "/linked.rs"));
