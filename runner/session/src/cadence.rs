//! At which epochs a cell's checkpoints are due. A spec may change that while a cell is trained:
//! what was trained before keeps the checkpoints that it has.

use serde_json::{Value, json};

/// In the state's own JSON.
const KEY: &str = "checkpoints";

/// From which epoch on a checkpoint was, or is, taken how often. In a state, so that it is known
/// after a kill which checkpoints there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cadence {
    /// `[from, every]`, ascending, the first from 0; every 0 epochs is never
    parts: Vec<[u64; 2]>,
}

impl Cadence {
    /// Of a cell that begins.
    pub(crate) fn new(every: u64) -> Cadence {
        Cadence {
            parts: vec![[0, every]],
        }
    }

    /// As a state has it. States did not always tell: then it was as it is now.
    ///
    /// # Errors
    /// What it tells is no cadence.
    pub(crate) fn saved(extra: &Value, every: u64) -> Result<Cadence, String> {
        let told = &extra[KEY];
        if told.is_null() {
            return Ok(Cadence::new(every));
        }
        let parts: Option<Vec<[u64; 2]>> = serde_json::from_value(told.clone()).ok();
        let parts = parts.filter(|parts| {
            parts.first().is_some_and(|[from, _]| *from == 0)
                && parts.is_sorted_by(|one, next| one[0] < next[0])
        });
        parts
            .map(|parts| Cadence { parts })
            .ok_or_else(|| format!("its cadence of checkpoints is {told}"))
    }

    /// Puts the cadence of a cell that was always kept so into a state's own JSON, unless one is
    /// there; whether it did.
    pub(crate) fn tell(every: u64, extra: &mut Value) -> bool {
        let lacks = extra[KEY].is_null();
        if lacks {
            Cadence::new(every).save(extra);
        }
        lacks
    }

    /// Puts it into a state's own JSON.
    pub(crate) fn save(&self, extra: &mut Value) {
        extra[KEY] = json!(self.parts);
    }

    /// Goes on from this epoch with a checkpoint each `every` epochs.
    pub(crate) fn go_on(&mut self, from: u64, every: u64) {
        self.parts
            .retain(|[earlier, _]| *earlier == 0 || *earlier < from);
        match self.parts.last_mut() {
            Some([_, known]) if *known == every => {}
            Some([start, known]) if *start == from => *known = every,
            _ => self.parts.push([from, every]),
        }
    }

    /// Whether a checkpoint is due after so many steps. The first always is; that the last is too
    /// is not known here.
    pub(crate) fn is_due(&self, epoch: u64) -> bool {
        let part = self.parts.iter().rfind(|[from, _]| *from < epoch);
        match part {
            None => true,
            Some([_, 0]) => false,
            Some([_, every]) => epoch.is_multiple_of(*every),
        }
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
        let mut cadence = Cadence::new(100);
        cadence.go_on(300, 100);
        assert_eq!(cadence, Cadence::new(100), "nothing has changed");
        cadence.go_on(300, 50);
        assert_eq!(due(&cadence, 400), [0, 100, 200, 300, 350, 400]);
        cadence.go_on(400, 0);
        assert_eq!(due(&cadence, 900), [0, 100, 200, 300, 350, 400]);
        // Changed again before an epoch was trained.
        cadence.go_on(400, 50);
        assert_eq!(
            cadence,
            Cadence {
                parts: vec![[0, 100], [300, 50]]
            }
        );
        cadence.go_on(300, 100);
        assert_eq!(cadence, Cadence::new(100));
        cadence.go_on(0, 7);
        assert_eq!(cadence, Cadence::new(7), "trained again from the start");
    }

    #[test]
    fn a_cadence_comes_back_and_others_are_refused() {
        let mut cadence = Cadence::new(100);
        cadence.go_on(300, 50);
        let mut extra = json!({ "status": "finished" });
        assert_eq!(Cadence::saved(&extra, 9), Ok(Cadence::new(9)));
        cadence.save(&mut extra);
        assert_eq!(Cadence::saved(&extra, 9), Ok(cadence.clone()));
        assert!(!Cadence::tell(7, &mut extra), "it is told");
        assert_eq!(Cadence::saved(&extra, 9), Ok(cadence));
        let mut older = json!({ "status": "finished" });
        assert!(Cadence::tell(7, &mut older));
        assert_eq!(Cadence::saved(&older, 9), Ok(Cadence::new(7)));
        for wrong in [
            json!([]),
            json!([[1, 2]]),
            json!([[0, 1], [0, 2]]),
            json!(7),
        ] {
            extra[KEY] = wrong;
            assert!(Cadence::saved(&extra, 9).is_err());
        }
    }
}
