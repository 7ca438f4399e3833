//! Snapshots in memory, of which there are only so many at a time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use grokrun_api::SnapshotData;

/// Allows a number of snapshots to be in memory at a time.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Room>);

#[derive(Debug)]
struct Room {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One snapshot's place; given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Room>);

impl Permits {
    /// `count` at a time, at least one.
    pub fn new(count: usize) -> Permits {
        Permits(Arc::new(Room {
            free: Mutex::new(count.max(1)),
            freed: Condvar::new(),
        }))
    }

    /// Waits for a place.
    pub fn take(&self) -> Permit {
        let room = &self.0;
        let free = room.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = room
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Permit(Arc::clone(room))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// A snapshot with its place.
#[derive(Debug)]
pub struct Shown {
    data: SnapshotData,
    _place: Permit,
}

impl Shown {
    /// The numbers of a snapshot in the place that was taken for them.
    pub fn new(data: SnapshotData, place: Permit) -> Shown {
        Shown {
            data,
            _place: place,
        }
    }

    /// The numbers.
    pub fn data(&self) -> &SnapshotData {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

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
}
