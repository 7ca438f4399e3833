//! Reads the losses and accuracies of a file as four columns of one length.

use super::History;
use crate::ExchangeError;
use crate::error::refuse;

/// The names under which files have the columns; messages use the first.
const NAMES: [&[&str]; 4] = [
    &["train_losses"],
    &["test_losses"],
    &["train_accs", "train_accuracies"],
    &["test_accs", "test_accuracies"],
];

/// Reads the history; `column` gives the numbers under a name, if there are any.
///
/// # Errors
/// Those of `column`, or columns whose lengths do not match.
pub(super) fn history(
    mut column: impl FnMut(&str) -> Result<Option<Vec<f64>>, ExchangeError>,
    notes: &mut Vec<String>,
) -> Result<Option<History>, ExchangeError> {
    let mut columns: [Vec<f64>; 4] = Default::default();
    for (names, into) in NAMES.iter().zip(&mut columns) {
        for name in *names {
            if let Some(found) = column(name)? {
                *into = found;
                break;
            }
        }
    }
    let names = NAMES.map(|names| names[0]);
    let longest = (0..4)
        .max_by_key(|i| (columns[*i].len(), 3 - i))
        .unwrap_or(0);
    let epochs = columns[longest].len();
    if epochs == 0 {
        return Ok(None);
    }
    for (name, column) in names.iter().zip(&mut columns) {
        let found = column.len();
        let odd = column.iter().filter(|x| !x.is_finite()).count();
        if odd == found {
            notes.push(format!(
                "the file has no {name}: they are not a number (NaN)"
            ));
            *column = vec![f64::NAN; epochs];
            continue;
        }
        if odd > 0 {
            notes.push(format!(
                "its {name} are no finite numbers at {odd} of {found} places, and are kept so"
            ));
        }
        if found == epochs {
            continue;
        }
        // The paper's test losses are those of every tenth epoch.
        let every = epochs.div_ceil(found);
        if (found - 1) * every >= epochs {
            return refuse(format!(
                "it has {found} {name} and {epochs} {}; expected as many, or one for every so many epochs",
                names[longest]
            ));
        }
        notes.push(format!(
            "{name} are taken as those of every {every} epochs; between them they are not a number (NaN)"
        ));
        let mut filled = vec![f64::NAN; epochs];
        for (i, x) in column.iter().enumerate() {
            filled[i * every] = *x;
        }
        *column = filled;
    }
    Ok(Some(History { columns }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: [&[f64]; 4]) -> (Option<History>, Vec<String>) {
        let mut notes = Vec::new();
        let column = |name: &str| {
            let at = NAMES.iter().position(|names| names[0] == name);
            Ok(at.map(|at| columns[at].to_vec()).filter(|c| !c.is_empty()))
        };
        (history(column, &mut notes).unwrap(), notes)
    }

    #[test]
    fn what_is_missing_is_nan_and_said() {
        let nan = f64::NAN;
        let (found, notes) = of([&[4.0, 3.0], &[5.0, nan], &[], &[nan, nan]]);
        let columns = found.unwrap().columns;
        assert_eq!(columns[0], [4.0, 3.0]);
        assert!(columns[1][0] == 5.0 && columns[1][1].is_nan());
        assert!(columns[2..].iter().flatten().all(|x| x.is_nan()));
        assert!(
            notes[0].contains("test_losses are no finite numbers at 1 of 2"),
            "{notes:?}"
        );
        assert!(notes[1].contains("no train_accs") && notes[2].contains("no test_accs"));
        assert_eq!(of([&[], &[], &[], &[]]).0, None);
    }

    #[test]
    fn sparse_columns_are_spread_whichever_it_is() {
        let (found, notes) = of([&[9.0, 8.0], &[1.0, 2.0, 3.0, 4.0], &[], &[]]);
        let columns = found.unwrap().columns;
        assert_eq!(columns[0][0], 9.0);
        assert!(columns[0][1].is_nan() && columns[0][2] == 8.0);
        assert!(
            notes[0].contains("train_losses are taken as those of every 2"),
            "{notes:?}"
        );
        let odd = |_: &str| Ok(Some(vec![1.0; 3]));
        let mut lens = [4, 5].into_iter();
        let uneven = |name: &str| match lens.next() {
            Some(len) => Ok(Some(vec![1.0; len])),
            None => odd(name),
        };
        let error = history(uneven, &mut Vec::new()).unwrap_err().to_string();
        assert!(
            error.contains("4 train_losses and 5 test_losses"),
            "{error}"
        );
    }
}
