//! Finds the keys in which two specs differ, and decides whether a run of one spec can continue as
//! a run of the other.

use std::collections::BTreeMap;
use std::fmt;

use crate::field::Field;
use crate::keys;
use crate::plan::Plan;
use crate::stop::Stop;

/// A key in which a spec differs from an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// its path, as in `train.epochs`
    pub key: &'static str,
    /// its value in the earlier spec, as in TOML; `None` if the key is not set there
    pub earlier: Option<String>,
    /// its value in this spec; `None` if the key is not set
    pub now: Option<String>,
    /// Whether the change makes a run longer and changes nothing that was trained. If the change is
    /// one of an early stop, only the histories of the cells tell whether the new rule would have
    /// stopped them before.
    pub lengthens: bool,
}

/// Returns whether a key says only how long a run goes on, or how often its weights are kept.
pub(crate) fn is_of_length(key: &str) -> bool {
    let checkpoints = [
        &keys::EVERY as &dyn Field,
        &keys::CHECKPOINTS_AT,
        &keys::RING,
    ];
    let checkpoints = checkpoints.map(|field| field.path());
    key == keys::EPOCHS.path() || checkpoints.contains(&key) || Stop::has_key(key)
}

impl Plan {
    /// Returns the keys in which this spec differs from an earlier one, in the order of a resolved
    /// spec. Keys that decide nothing about results are left out: the name, the analyses and the
    /// claims.
    pub fn changes_from(&self, earlier: &Plan) -> Vec<Change> {
        let (before, now) = (earlier.decisive_values(), self.decisive_values());
        let mut order: Vec<&'static str> = now.iter().map(|(key, _)| *key).collect();
        for (key, _) in &before {
            if !order.contains(key) {
                order.push(key);
            }
        }
        let (before, now): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (before.into_iter().collect(), now.into_iter().collect());
        let longer = self.epochs > earlier.epochs;
        order
            .into_iter()
            .filter(|key| before.get(key) != now.get(key))
            .map(|key| Change {
                key,
                earlier: before.get(key).cloned(),
                now: now.get(key).cloned(),
                lengthens: is_of_length(key) && (key != keys::EPOCHS.path() || longer),
            })
            .collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or("not set".to_owned());
        let (earlier, now) = (word(&self.earlier), word(&self.now));
        write!(f, "{}: {earlier} there, {now} here", self.key)
    }
}
