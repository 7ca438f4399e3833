//! A bounded pool of snapshot buffers, reused from checkpoint to checkpoint.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use grokrun_api::SnapshotData;

/// Allows a number of snapshots to be in memory at a time.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Slots>);

#[derive(Debug)]
struct Slots {
    /// the snapshots whose memory is free to be used again
    free: Mutex<Vec<SnapshotData>>,
    freed: Condvar,
}

/// A snapshot in memory. Dropping it frees its memory for another.
#[derive(Debug)]
pub struct Shown {
    slots: Arc<Slots>,
    /// its numbers; until they are made, those of the snapshot that had this memory before, which
    /// may be taken apart: new memory for tables of megabytes costs page faults, and leaves holes
    pub data: SnapshotData,
}

impl Permits {
    /// Allows `count` snapshots at a time, at least one.
    pub fn new(count: usize) -> Permits {
        Permits(Arc::new(Slots {
            free: Mutex::new(vec![SnapshotData::default(); count.max(1)]),
            freed: Condvar::new(),
        }))
    }

    /// Waits until a snapshot may be in memory.
    pub fn take(&self) -> Shown {
        let slots = &self.0;
        let free = slots.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = slots
            .freed
            .wait_while(free, |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        Shown {
            slots: Arc::clone(slots),
            data: free.pop().unwrap_or_default(),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let free = self.slots.free.lock();
        free.unwrap_or_else(PoisonError::into_inner).push(data);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use grokrun_api::Numbers;

    use super::*;

    #[test]
    fn a_place_is_waited_for() {
        let permits = Permits::new(1);
        let first = permits.take();
        let later = {
            let permits = permits.clone();
            thread::spawn(move || drop(permits.take()))
        };
        thread::sleep(Duration::from_millis(20));
        assert!(!later.is_finished());
        drop(first);
        later.join().unwrap();
    }

    #[test]
    fn a_place_has_what_was_there_before() {
        let permits = Permits::new(2);
        let [mut first, second] = [permits.take(), permits.take()];
        first.data = SnapshotData::new(7);
        first
            .data
            .add("blocks.0.mlp.hook_pre", &[2], Numbers::F32(vec![1.0, 2.0]));
        drop(first);
        let mut again = permits.take();
        assert_eq!((again.data.epoch, second.data.epoch), (7, 0));
        assert_eq!(again.data.take("blocks.0.mlp.hook_pre"), [1.0, 2.0]);
        assert!(
            again.data.take("blocks.0.mlp.hook_pre").is_empty()
                && again.data.take("blocks.0.mlp.hook_post").is_empty()
        );
    }
}
