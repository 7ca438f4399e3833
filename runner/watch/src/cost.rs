//! What a reading costs, and how long a pause it calls for.

use std::time::{Duration, Instant};

/// A pause is so many times as long as the processor was at work: half a per cent of one core.
const CPU: u32 = 200;
/// And at least so many times as long as the reading took, waiting for a disk for instance.
const WALL: u32 = 4;
/// The longest pause.
const MOST: Duration = Duration::from_secs(60);

/// A reading that has begun, on this thread.
pub(crate) struct Reading {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Reading {
    pub(crate) fn begin() -> Reading {
        Reading {
            wall: Instant::now(),
            cpu: cpu(),
        }
    }

    /// Returns how long to wait after the reading, at least `least`.
    pub(crate) fn pause(&self, least: Duration) -> Duration {
        let wall = self.wall.elapsed();
        let cpu = cpu()
            .zip(self.cpu)
            .map(|(now, then)| now.saturating_sub(then));
        pause(wall, cpu, least)
    }
}

/// Where the system does not say how long the processor was at work, it was all the time.
fn pause(wall: Duration, cpu: Option<Duration>, least: Duration) -> Duration {
    let cpu = cpu.unwrap_or(wall);
    least
        .max(cpu.saturating_mul(CPU))
        .max(wall.saturating_mul(WALL))
        .min(MOST.max(least))
}

/// Returns how long this thread has been at work.
#[cfg(target_os = "linux")]
fn cpu() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().ok()
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_calls_for_a_long_pause_and_waiting_for_a_short_one() {
        let ms = Duration::from_millis;
        let least = ms(500);
        assert_eq!(pause(ms(1), Some(ms(1)), least), least);
        assert_eq!(pause(ms(40), Some(ms(5)), least), ms(1000));
        assert_eq!(pause(ms(300), Some(ms(1)), least), ms(1200));
        assert_eq!(pause(ms(5), None, least), ms(1000));
        assert_eq!(pause(ms(9000), Some(ms(9000)), least), MOST);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sleeping_is_no_work() {
        let began = cpu().unwrap();
        std::thread::sleep(Duration::from_millis(60));
        assert!(cpu().unwrap() - began < Duration::from_millis(30));
    }
}
