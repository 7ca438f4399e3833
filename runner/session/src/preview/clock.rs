//! Time that other programs do not lengthen: of the cores that this process used, where the system
//! tells it.

use std::time::Instant;

/// A moment, by the clock on the wall and by this process's own.
pub(super) struct Clock {
    wall: Instant,
    cores: Option<f64>,
}

impl Clock {
    /// Starts.
    pub(super) fn start() -> Clock {
        Clock {
            wall: Instant::now(),
            cores: used(),
        }
    }

    /// Seconds since then.
    pub(super) fn wall(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    /// Core-seconds that all threads of this process used since then; where the system does not
    /// tell, the wall time.
    pub(super) fn cores(&self) -> f64 {
        match (self.cores, used()) {
            (Some(before), Some(now)) => (now - before).max(0.0),
            _ => self.wall(),
        }
    }
}

/// Core-seconds of this process.
#[cfg(unix)]
fn used() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Some(used.tv_sec as f64 + 1e-9 * used.tv_nsec as f64)
}

#[cfg(not(unix))]
fn used() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_takes_time_but_no_core() {
        let clock = Clock::start();
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(clock.wall() >= 0.1);
        // Other tests run in this process: no bound from above holds, but the clock goes on.
        let before = clock.cores();
        assert!(before >= 0.0 && clock.cores() >= before);
    }
}
