//! Keeps some snapshots of a training to its end, above all for figures that move, in bounded
//! memory and with few digits.

/// Keeps some of the values that come, evenly spread over all of them, and the last one.
///
/// At most `most` values are kept: whenever there are more, every second one is released. The same
/// values give the same choice.
#[derive(Clone, Debug)]
pub struct Frames<T> {
    most: usize,
    step: usize,
    seen: usize,
    kept: Vec<(u64, T)>,
    /// the newest value, if it is not among those kept
    last: Option<(u64, T)>,
}

impl<T> Frames<T> {
    /// Keeps at most `most` values, two at least.
    pub fn new(most: usize) -> Frames<T> {
        Frames {
            most: most.max(2),
            step: 1,
            seen: 0,
            kept: Vec::new(),
            last: None,
        }
    }

    /// Takes the value of an epoch; returns the values that are released for it.
    pub fn push(&mut self, epoch: u64, value: T) -> Vec<(u64, T)> {
        let on_step = self.seen.is_multiple_of(self.step);
        self.seen += 1;
        let mut gone: Vec<_> = self.last.take().into_iter().collect();
        if !on_step {
            self.last = Some((epoch, value));
            return gone;
        }
        self.kept.push((epoch, value));
        if self.kept.len() > self.most - 1 {
            self.step *= 2;
            // The value at an odd place at the end is the newest: it is released, and is the last.
            if self.kept.len().is_multiple_of(2) {
                self.last = self.kept.pop();
            }
            let mut place = 0;
            gone.extend(self.kept.extract_if(.., |_| {
                place += 1;
                place % 2 == 0
            }));
        }
        gone
    }

    /// Returns the values that are kept and the last, by epoch.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let all = self.kept.iter().chain(&self.last);
        all.map(|(epoch, value)| (*epoch, value))
    }

    /// Returns the newest value.
    pub fn last(&self) -> Option<(u64, &T)> {
        let newest = self.last.as_ref().or(self.kept.last());
        newest.map(|(epoch, value)| (*epoch, value))
    }
}

/// Rounds to a thousandth of the largest power of ten among the sizes: as many digits as a colour
/// shows, so that a figure's file stays small. NaN and infinities stay.
pub fn rounded(values: &[f64]) -> Vec<f64> {
    let sizes = values.iter().map(|x| x.abs()).filter(|x| x.is_finite());
    let largest = sizes.fold(0.0, f64::max);
    if largest <= 0.0 {
        return values.to_vec();
    }
    // Beyond these exponents a power of ten is no f64.
    let digits = (3.0 - largest.log10().floor()).clamp(-300.0, 300.0);
    let scale = 10f64.powi(digits as i32);
    let short = |x: &f64| match x.is_finite() {
        // A zero loses its sign.
        true => (x * scale).round() / scale + 0.0,
        false => *x,
    };
    values.iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_evenly_with_the_last() {
        for most in [2, 3, 7, 10] {
            for count in 1..200u64 {
                let mut frames = Frames::new(most);
                let mut gone = Vec::new();
                for epoch in 0..count {
                    gone.extend(frames.push(epoch, epoch));
                    assert_eq!(frames.last(), Some((epoch, &epoch)));
                }
                let kept: Vec<u64> = frames.iter().map(|(epoch, _)| epoch).collect();
                // Each value is kept, or came back once.
                let mut all: Vec<u64> = gone.iter().map(|(epoch, _)| *epoch).collect();
                all.extend(&kept);
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
                assert!(kept.len() <= most, "{most} {count}: {kept:?}");
                assert!(2 * kept.len() >= most.min(count as usize), "{kept:?}");
                assert_eq!((kept[0], kept[kept.len() - 1]), (0, count - 1));
                let steps: Vec<u64> = kept.windows(2).map(|w| w[1] - w[0]).collect();
                if let Some((last, others)) = steps.split_last() {
                    assert!(others.iter().all(|s| *s == others[0]), "{kept:?}");
                    assert!(others.iter().all(|s| last <= s), "{kept:?}");
                }
            }
        }
    }

    #[test]
    fn digits_are_few_and_relative() {
        let got = rounded(&[123.456_789, 0.04, -0.06, f64::NAN]);
        assert_eq!(got[..3], [123.5, 0.0, -0.1]);
        assert!(got[3].is_nan());
        assert_eq!(rounded(&[1.234_567e-9]), [1.235e-9]);
        assert_eq!(rounded(&[0.0, -0.0]), [0.0, 0.0]);
        let far = rounded(&[1e308, 1e-320]);
        assert!(far.iter().all(|x| x.is_finite()));
    }
}
