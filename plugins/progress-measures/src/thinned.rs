//! A bounded choice of what came by, evenly spread.

/// Keeps every item until there are more than `most`, then every second, then every fourth, … and the
/// last in any case. What is kept depends on how many came alone.
pub(crate) struct Thinned<T> {
    most: usize,
    step: usize,
    came: usize,
    kept: Vec<(usize, T)>,
    /// the newest, where its turn it is not
    last: Option<T>,
}

impl<T> Thinned<T> {
    /// At most `most` of them, at least one, and the last.
    pub(crate) fn new(most: usize) -> Thinned<T> {
        Thinned {
            most: most.max(1),
            step: 1,
            came: 0,
            kept: Vec::new(),
            last: None,
        }
    }

    /// Takes the next.
    pub(crate) fn push(&mut self, item: T) {
        let at = self.came;
        self.came += 1;
        self.last = None;
        if !at.is_multiple_of(self.step) {
            self.last = Some(item);
            return;
        }
        self.kept.push((at, item));
        if self.kept.len() > self.most {
            self.step = self.step.saturating_mul(2);
            let step = self.step;
            let newest = self.kept.pop_if(|(at, _)| !at.is_multiple_of(step));
            self.last = newest.map(|(_, item)| item);
            self.kept.retain(|(at, _)| at.is_multiple_of(step));
        }
    }

    /// What is kept, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().map(|(_, item)| item).chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_evenly_and_the_last_always() {
        for most in 1..9 {
            for count in 1..70 {
                let mut thinned = Thinned::new(most);
                (0..count).for_each(|i| thinned.push(i));
                let kept: Vec<usize> = thinned.iter().copied().collect();
                assert!(kept.len() <= most + 1, "{most} {count} {kept:?}");
                assert_eq!((kept[0], kept[kept.len() - 1]), (0, count - 1));
                // All but the last stand at even distances.
                let steps: Vec<usize> = kept.windows(2).map(|w| w[1] - w[0]).collect();
                let even = steps.iter().take(steps.len().saturating_sub(1));
                assert!(
                    even.clone().all(|s| *s == steps[0] && s.is_power_of_two()),
                    "{most} {count} {kept:?}"
                );
                // No fewer than half of what may be kept.
                assert!(kept.len() * 2 >= most.min(count), "{most} {count} {kept:?}");
            }
        }
    }
}
