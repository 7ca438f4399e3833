//! Runs bodies on the items of a parallel iterator.
//!
//! A body is taken as an object, so that rayon's machinery is compiled once for each kind of items,
//! and not again for each body and each width of vectors: that was two fifths of this crate's code.
//! A call through a pointer for each item, a block of rows, is not seen in the time of an epoch.

use rayon::prelude::*;

/// Adds bodies as objects to parallel iterators.
pub(crate) trait Bodies: IndexedParallelIterator {
    /// Runs a body on each item.
    fn each(self, body: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each(body);
    }

    /// Runs a body on each item, with a workspace that is made once for each run of items.
    fn each_with<T>(
        self,
        workspace: &(dyn Fn() -> T + Sync),
        body: &(dyn Fn(&mut T, Self::Item) + Sync),
    ) {
        self.for_each_init(workspace, body);
    }

    /// Returns what a function returns for each item, in the order of the items.
    fn results<R: Send>(self, of: &(dyn Fn(Self::Item) -> R + Sync)) -> Vec<R> {
        self.map(of).collect()
    }
}

impl<I: IndexedParallelIterator> Bodies for I {}
