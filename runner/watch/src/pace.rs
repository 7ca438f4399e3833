//! Measures epochs a second, smoothed over the last few seconds.

use std::time::{Duration, Instant};

/// The least time between two measurements.
const LEAST: Duration = Duration::from_millis(200);
/// Seconds over which the pace is smoothed.
const SMOOTHED: f64 = 4.0;

/// The pace of something that counts epochs.
#[derive(Clone, Debug)]
pub struct Pace {
    since: Instant,
    epoch: u64,
    per_second: Option<f64>,
}

impl Pace {
    /// Starts at an epoch.
    pub fn new(epoch: u64, now: Instant) -> Pace {
        Pace {
            since: now,
            epoch,
            per_second: None,
        }
    }

    /// Takes the number of epochs at a time; one that is smaller than before starts anew.
    pub fn update(&mut self, epoch: u64, now: Instant) {
        let Some(more) = epoch.checked_sub(self.epoch) else {
            *self = Pace::new(epoch, now);
            return;
        };
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < LEAST {
            return;
        }
        let elapsed = elapsed.as_secs_f64();
        let now_per_second = more as f64 / elapsed;
        let blend = (elapsed / SMOOTHED).min(1.0);
        let blended = |old: f64| old + blend * (now_per_second - old);
        self.per_second = Some(self.per_second.map_or(now_per_second, blended));
        (self.since, self.epoch) = (now, epoch);
    }

    /// Returns epochs a second; none before the first measurement, or where nothing goes on.
    pub fn per_second(&self) -> Option<f64> {
        self.per_second.filter(|pace| *pace > 1e-6)
    }

    /// Returns the seconds that so many epochs will take.
    pub fn seconds_for(&self, epochs: u64) -> Option<f64> {
        Some(epochs as f64 / self.per_second()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pace_is_found_and_a_restart_forgets_it() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut pace = Pace::new(100, began);
        pace.update(110, at(100));
        assert_eq!(pace.per_second(), None, "too soon to say");
        for step in 1..20 {
            pace.update(100 + 50 * step, at(500 * step));
        }
        let per_second = pace.per_second().unwrap();
        assert!((per_second - 100.0).abs() < 1e-9, "{per_second}");
        assert_eq!(pace.seconds_for(200), Some(200.0 / per_second));
        // Where nothing comes any more it goes down.
        pace.update(1050, at(11_500));
        assert!(pace.per_second().unwrap() < 60.0);
        pace.update(0, at(12_000));
        assert_eq!(pace.per_second(), None);
    }
}
