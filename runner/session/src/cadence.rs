//! At which epochs a cell's checkpoints are due. A spec may change that while a cell is trained:
//! what was trained before keeps the checkpoints that it has.

use grokrun_spec::Spacing;
use serde_json::{Value, json};

/// In the state's own JSON.
const KEY: &str = "checkpoints";
/// The third number of a part whose beginning is logarithmic.
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
                [from, every, LOG] => Some((
                    *from,
                    Spacing {
                        every: *every,
                        log: true,
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
        let part = |(from, spacing): &(u64, Spacing)| {
            if spacing.log {
                json!([from, spacing.every, LOG])
            } else {
                json!([from, spacing.every])
            }
        };
        extra[KEY] = self.parts.iter().map(part).collect();
    }

    /// Goes on from this epoch with this spacing.
    pub(crate) fn go_on(&mut self, from: u64, spacing: Spacing) {
        self.parts
            .retain(|(earlier, _)| *earlier == 0 || *earlier < from);
        match self.parts.last_mut() {
            Some((_, known)) if *known == spacing => {}
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
    fn a_cadence_comes_back_and_others_are_refused() {
        let mut cadence = Cadence::new(Spacing::every(100));
        cadence.go_on(300, Spacing::every(50));
        let log = Spacing {
            every: 1000,
            log: true,
        };
        cadence.go_on(600, log);
        assert!(!cadence.is_due(512) && cadence.is_due(1000));
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
        ] {
            extra[KEY] = wrong;
            assert!(Cadence::saved(&extra, Spacing::every(9)).is_err());
        }
    }
}
