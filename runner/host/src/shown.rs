//! Snapshots in memory, of which there are only so many at a time, each in the place of an earlier
//! one.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use grokrun_api::SnapshotData;

/// Allows a number of snapshots to be in memory at a time.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// what was in each free place before
    free: Mutex<Vec<SnapshotData>>,
    freed: Condvar,
}

/// A snapshot in its place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Shown {
    room: Arc<Room>,
    /// its numbers; until they are made those of the snapshot that was there before, which may be
    /// taken apart: new memory for tables of megabytes costs page faults, and leaves holes
    pub data: SnapshotData,
}

impl Permits {
    /// `count` at a time, at least one.
    pub fn new(count: usize) -> Permits {
        Permits(Arc::new(Room {
            free: Mutex::new(vec![SnapshotData::default(); count.max(1)]),
            freed: Condvar::new(),
        }))
    }

    /// Waits for a place.
    pub fn take(&self) -> Shown {
        let room = &self.0;
        let free = room.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = room
            .freed
            .wait_while(free, |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        Shown {
            room: Arc::clone(room),
            data: free.pop().unwrap_or_default(),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let free = self.room.free.lock();
        free.unwrap_or_else(PoisonError::into_inner).push(data);
        self.room.freed.notify_one();
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
        first.data.add("pre", &[2], Numbers::F32(vec![1.0, 2.0]));
        drop(first);
        let mut again = permits.take();
        assert_eq!((again.data.epoch, second.data.epoch), (7, 0));
        assert_eq!(again.data.take("pre"), [1.0, 2.0]);
        assert!(again.data.take("pre").is_empty() && again.data.take("post").is_empty());
    }
}
