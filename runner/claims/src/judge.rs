//! Whether a claim holds, by the numbers of the cells that it speaks of.

use grokrun_spec::{Claim, Over};

use crate::known::Known;
use crate::words::number;
use crate::{Measured, Verdict};

/// Judges a claim by a number of each of its cells, and of each of those that it compares them
/// with.
pub(crate) fn judge(
    claim: &Claim,
    cells: &[Known],
    against: Option<&[Known]>,
) -> (Option<Measured>, Verdict) {
    let ends = claim.expected.ends();
    if let (Over::Each, [_, _, ..], None) = (claim.over, cells, against) {
        let range = Known::of(cells, Over::Min).zip(Known::of(cells, Over::Max));
        let verdicts = || cells.iter().map(|cell| cell.is_within(ends));
        // One cell that does not keep it decides, whatever is not known of others.
        let verdict = match () {
            () if verdicts().any(|verdict| verdict == Some(false)) => Verdict::DoesNotHold,
            () if verdicts().all(|verdict| verdict == Some(true)) => Verdict::Holds,
            () => {
                let open = cells.iter().filter(|cell| cell.is_within(ends).is_none());
                let open: Vec<Known> = open.copied().collect();
                let which = format!("of {} of {} cells: ", open.len(), cells.len());
                undecided(&which, open[0])
            }
        };
        return (
            range.map(|(least, most)| Measured::Each(least, most)),
            verdict,
        );
    }
    let Some(mut measured) = Known::of(cells, claim.over) else {
        return (None, Verdict::NotEvaluated("there is no cell".to_owned()));
    };
    if let Some(against) = against {
        let other = Known::of(against, claim.over);
        let Some(ratio) = other.and_then(|other| measured.ratio(other)) else {
            let why = "the quantity of the cells of `against` is 0, or may be, so that nothing can be \
                       divided by it; expected cells with another value";
            return (None, Verdict::NotEvaluated(why.to_owned()));
        };
        measured = ratio;
    }
    let verdict = match measured.is_within(ends) {
        Some(true) => Verdict::Holds,
        Some(false) => Verdict::DoesNotHold,
        None => undecided("", measured),
    };
    (Some(Measured::One(measured)), verdict)
}

/// What is known does not decide: it was not reached by the end of the training.
fn undecided(which: &str, known: Known) -> Verdict {
    let what = if known.high.is_finite() {
        format!("from {} to {}", number(known.low), number(known.high))
    } else {
        format!("{} or more", number(known.low))
    };
    Verdict::NotEvaluated(format!(
        "{which}not reached by the end of the training: it is known to be {what}, which does not \
         decide the claim; a longer run may (`grokrun extend RUN --epochs N`)"
    ))
}

#[cfg(test)]
mod tests;
