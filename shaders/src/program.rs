//! Lists the kernels of recorded programs, in a module for each with the structs of its jobs.
//!
//! A dispatch runs several jobs of one kernel that do not depend on each other. A job is one
//! operation on blocks of the arena; its `tile` is the number of its first workgroup among those of
//! its dispatch, ascending. The engine owns how operations become jobs.

use crate::{Binding, Kernel};

include!(concat!(env!("OUT_DIR"), "/program.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Words;

    #[test]
    fn jobs_begin_with_their_tile_and_are_written_word_by_word() {
        let job = total::Job {
            tile: 1,
            rows: 2,
            cols: 3,
            parts: 4,
            first: 5,
            out: Block {
                first: 6,
                row: 7,
                col: 8,
            },
            add: 9,
        };
        let mut words = Vec::new();
        job.push(&mut words);
        assert_eq!(words, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(total::Job::COUNT, words.len());
        for kernel in KERNELS {
            let (_, job) = kernel.source.split_once("struct Job {").unwrap();
            assert!(job.trim_start().starts_with("tile: u32"), "{}", kernel.name);
            assert_eq!(kernel.names[..2], ["params", "jobs"], "{}", kernel.name);
        }
    }
}
