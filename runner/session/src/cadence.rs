//! At which epochs a cell's checkpoints are due. A spec may change that while a cell is trained:
//! what was trained before keeps the checkpoints that it has.

use std::collections::BTreeSet;

use grokrun_spec::Spacing;
use grokrun_store::Metrics;
use serde_json::{Value, json};

use crate::ring;

/// In the state's own JSON.
const KEY: &str = "checkpoints";
/// The third number of a part whose beginning is logarithmic; where there is a fourth, the ring, it
/// may be 0.
const LOG: u64 = 1;

/// From which epoch on a checkpoint was, or is, taken how often. In a state, so that it is known
/// after a kill which checkpoints there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cadence {
    /// from which epoch on and how, ascending, the first from 0
    parts: Vec<(u64, Spacing)>,
}

impl Cadence {
    /// Of a cell that begins.
    pub(crate) fn new(spacing: Spacing) -> Cadence {
        Cadence {
            parts: vec![(0, spacing)],
        }
    }

    /// As a state has it. States did not always tell: then it was as it is now.
    ///
    /// # Errors
    /// What it tells is no cadence.
    pub(crate) fn saved(extra: &Value, spacing: Spacing) -> Result<Cadence, String> {
        let stored = &extra[KEY];
        if stored.is_null() {
            return Ok(Cadence::new(spacing));
        }
        let parts: Option<Vec<Vec<u64>>> = serde_json::from_value(stored.clone()).ok();
        let parts = parts.and_then(|parts| {
            let part = |part: &Vec<u64>| match part.as_slice() {
                [from, every] => Some((*from, Spacing::every(*every))),
                [from, every, log @ (0 | LOG), rest @ ..] if rest.len() < 2 => Some((
                    *from,
                    Spacing {
                        every: *every,
                        log: *log == LOG,
                        ring: rest.first().copied().unwrap_or(0),
                    },
                )),
                _ => None,
            };
            parts.iter().map(part).collect::<Option<Vec<_>>>()
        });
        let parts = parts.filter(|parts| {
            parts.first().is_some_and(|(from, _)| *from == 0)
                && parts.is_sorted_by(|one, next| one.0 < next.0)
        });
        parts
            .map(|parts| Cadence { parts })
            .ok_or_else(|| format!("its cadence of checkpoints is {stored}"))
    }

    /// Puts the cadence of a cell that was always kept so into a state's own JSON, unless one is
    /// there; whether it did.
    pub(crate) fn tell(spacing: Spacing, extra: &mut Value) -> bool {
        let lacks = extra[KEY].is_null();
        if lacks {
            Cadence::new(spacing).save(extra);
        }
        lacks
    }

    /// Puts it into a state's own JSON.
    pub(crate) fn save(&self, extra: &mut Value) {
        let part = |(from, spacing): &(u64, Spacing)| match (spacing.log, spacing.ring) {
            (log, ring @ 1..) => json!([from, spacing.every, u64::from(log), ring]),
            (true, 0) => json!([from, spacing.every, LOG]),
            (false, 0) => json!([from, spacing.every]),
        };
        extra[KEY] = self.parts.iter().map(part).collect();
    }

    /// Goes on from this epoch with this spacing.
    pub(crate) fn go_on(&mut self, from: u64, spacing: Spacing) {
        let before = self.parts.len();
        self.parts
            .retain(|(earlier, _)| *earlier == 0 || *earlier < from);
        // A spacing that was given up at this epoch, and is taken up again, has lost its ring.
        let is_kept = self.parts.len() == before || spacing.ring == 0;
        match self.parts.last_mut() {
            Some((_, known)) if *known == spacing && is_kept => {}
            Some((start, known)) if *start == from => *known = spacing,
            _ => self.parts.push((from, spacing)),
        }
    }

    /// Whether a checkpoint is due after so many steps. The first always is; that the last is too
    /// is not known here.
    pub(crate) fn is_due(&self, epoch: u64) -> bool {
        let part = self.parts.iter().rfind(|(from, _)| *from < epoch);
        part.is_none_or(|(_, spacing)| spacing.is_due(epoch))
    }

    /// The epochs whose states the rings had to write until `to`, by this history.
    pub(crate) fn of_rings(&self, to: u64, history: &Metrics) -> BTreeSet<u64> {
        let ends = self.parts.iter().skip(1).map(|(from, _)| *from).chain([to]);
        let parts = self.parts.iter().zip(ends);
        parts
            .flat_map(|((from, spacing), end)| ring::written(*spacing, *from, end.min(to), history))
            .collect()
    }

    /// The epoch since which the present spacing has held: a ring has no state of before.
    pub(crate) fn since(&self) -> u64 {
        self.parts.last().map_or(0, |(from, _)| *from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(cadence: &Cadence, to: u64) -> Vec<u64> {
        (0..=to).filter(|epoch| cadence.is_due(*epoch)).collect()
    }

    #[test]
    fn what_was_trained_keeps_its_cadence() {
        let mut cadence = Cadence::new(Spacing::every(100));
        cadence.go_on(300, Spacing::every(100));
        assert_eq!(
            cadence,
            Cadence::new(Spacing::every(100)),
            "nothing has changed"
        );
        cadence.go_on(300, Spacing::every(50));
        assert_eq!(due(&cadence, 400), [0, 100, 200, 300, 350, 400]);
        cadence.go_on(400, Spacing::every(0));
        assert_eq!(due(&cadence, 900), [0, 100, 200, 300, 350, 400]);
        // Changed again before an epoch was trained.
        cadence.go_on(400, Spacing::every(50));
        assert_eq!(
            cadence,
            Cadence {
                parts: vec![(0, Spacing::every(100)), (300, Spacing::every(50))]
            }
        );
        cadence.go_on(300, Spacing::every(100));
        assert_eq!(cadence, Cadence::new(Spacing::every(100)));
        cadence.go_on(0, Spacing::every(7));
        assert_eq!(
            cadence,
            Cadence::new(Spacing::every(7)),
            "trained again from the start"
        );
    }

    #[test]
    fn a_ring_that_was_given_up_begins_again() {
        let ring = Spacing {
            ring: 5,
            ..Spacing::every(100)
        };
        let mut cadence = Cadence::new(ring);
        cadence.go_on(300, ring);
        assert_eq!(cadence.since(), 0);
        cadence.go_on(300, Spacing::every(100));
        cadence.go_on(300, ring);
        assert_eq!(cadence.since(), 300);
        cadence.go_on(300, ring);
        assert_eq!(cadence.parts, [(0, ring), (300, ring)]);
    }

    #[test]
    fn a_cadence_comes_back_and_others_are_refused() {
        let mut cadence = Cadence::new(Spacing::every(100));
        cadence.go_on(300, Spacing::every(50));
        let log = Spacing {
            every: 1000,
            log: true,
            ring: 0,
        };
        let ring = Spacing {
            every: 1000,
            log: false,
            ring: 20,
        };
        cadence.go_on(600, log);
        assert!(!cadence.is_due(512) && cadence.is_due(1000));
        cadence.go_on(2000, ring);
        cadence.go_on(3000, Spacing { log: true, ..ring });
        let mut extra = json!({ "status": "finished" });
        assert_eq!(
            Cadence::saved(&extra, Spacing::every(9)),
            Ok(Cadence::new(Spacing::every(9)))
        );
        cadence.save(&mut extra);
        assert_eq!(
            Cadence::saved(&extra, Spacing::every(9)),
            Ok(cadence.clone())
        );
        assert!(!Cadence::tell(Spacing::every(7), &mut extra), "it is told");
        assert_eq!(Cadence::saved(&extra, Spacing::every(9)), Ok(cadence));
        let mut older = json!({ "status": "finished" });
        assert!(Cadence::tell(Spacing::every(7), &mut older));
        assert_eq!(
            Cadence::saved(&older, Spacing::every(9)),
            Ok(Cadence::new(Spacing::every(7)))
        );
        for wrong in [
            json!([]),
            json!([[1, 2]]),
            json!([[0, 1], [0, 2]]),
            json!(7),
            json!([[0, 1, 2]]),
            json!([[0, 1, 0, 5, 6]]),
        ] {
            extra[KEY] = wrong;
            assert!(Cadence::saved(&extra, Spacing::every(9)).is_err());
        }
    }
}
