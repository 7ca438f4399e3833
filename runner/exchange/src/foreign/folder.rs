//! Reads a folder of checkpoints, one model a file, whose names give the epochs.

use std::fs;
use std::path::{Path, PathBuf};

use super::contents::steps;
use super::{Foreign, History, Source, Stated};
use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::{shown, some};

/// The most files of a folder.
const MOST_FILES: usize = 200_000;
/// The longest history that is made of single losses, in epochs.
const LONGEST_HISTORY: u64 = 10_000_000;
/// The placeholder of the epoch in a pattern.
const EPOCH: &str = "{epoch}";

/// Describes the names of a folder's files: a path below it with `{epoch}` in the place of the
/// epoch, and `*` for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If it has no `{epoch}`, or several.
    pub fn new(text: &str) -> Result<Pattern, ExchangeError> {
        match text.matches(EPOCH).count() {
            1 => Ok(Pattern {
                text: text.to_owned(),
            }),
            found => refuse(format!(
                "the pattern {} has {EPOCH} {found} times; expected it once, as in --pattern 'step_{EPOCH}.pth'",
                shown(text)
            )),
        }
    }

    /// Returns the epoch in a name, if the name fits this pattern.
    fn epoch(&self, name: &str) -> Option<u64> {
        let (before, after) = self.text.split_once(EPOCH)?;
        // The epoch begins after a beginning that fits the part before it.
        let digit = |at: usize| name[at..].starts_with(|c: char| c.is_ascii_digit());
        let starts = name
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| digit(*at));
        // It begins with a digit that does not follow another digit.
        let first = |at: &usize| !name[..*at].ends_with(|c: char| c.is_ascii_digit());
        starts.filter(first).find_map(|at| {
            let rest = &name[at..];
            let len = rest.chars().take_while(char::is_ascii_digit).count();
            let fits = fits(before, &name[..at]) && fits(after, &rest[len..]);
            fits.then(|| rest[..len].parse().ok())?
        })
    }
}

/// Says whether a text fits a pattern in which `*` stands for anything but a slash. Both are walked
/// once, back to the last `*` where they differ.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star_at, from)) = star.filter(|(_, from)| text[*from] != '/') {
            star = Some((star_at, from + 1));
            (p, t) = (star_at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

impl Foreign {
    /// Reads and recognises a folder of checkpoints; `heads` as for [`Foreign::open`].
    ///
    /// # Errors
    /// If no file fits the pattern, two are of one epoch, a file is not one model, or they are not
    /// checkpoints of one model.
    pub fn open_folder(
        folder: &Path,
        pattern: Option<&Pattern>,
        heads: Option<usize>,
    ) -> Result<Foreign, ExchangeError> {
        Foreign::open_folder_with(folder, pattern, &Stated::heads(heads))
    }

    /// As [`Foreign::open_folder`], with more that the files do not say.
    ///
    /// # Errors
    /// As [`Foreign::open_folder`]; what was stated does not fit the files.
    pub fn open_folder_with(
        folder: &Path,
        pattern: Option<&Pattern>,
        stated: &Stated,
    ) -> Result<Foreign, ExchangeError> {
        let open = || {
            let Some(pattern) = pattern else {
                return refuse(without_pattern(&names(folder, 0)?));
            };
            of_folder(folder, pattern, stated)
        };
        open().map_err(|error: ExchangeError| error.of(folder))
    }
}

fn of_folder(folder: &Path, pattern: &Pattern, stated: &Stated) -> Result<Foreign, ExchangeError> {
    let all = names(folder, pattern.text.matches('/').count())?;
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for name in &all {
        match pattern.epoch(name) {
            Some(epoch) => found.push((epoch, name.as_str())),
            None => others.push(name.as_str()),
        }
    }
    found.sort_unstable();
    if found.is_empty() {
        return refuse(format!(
            "none of its {} files is named {}; it has {}",
            all.len(),
            shown(&pattern.text),
            match some(others) {
                few if few.is_empty() => "none".to_owned(),
                few => few,
            }
        ));
    }
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return refuse(format!(
            "its files {} and {} are both of epoch {}; expected one for each epoch",
            shown(pair[0].1),
            shown(pair[1].1),
            pair[0].0
        ));
    }
    let files: Vec<PathBuf> = found.iter().map(|(_, name)| folder.join(name)).collect();
    let mut whole = Foreign::open_with(&files[0], stated)?;
    let (mut records, mut elsewhere) = (Vec::new(), Vec::new());
    for ((epoch, name), file) in found.iter().zip(&files) {
        let one = Foreign::open_with(file, &whole.stated)?;
        check_alike(&whole, &one, name)?;
        let recorded = one.facts.epochs.first().copied();
        if one.facts.history.is_none() && recorded.is_some_and(|recorded| recorded != *epoch) {
            elsewhere.push((*name, *epoch, recorded));
        }
        records.push((*epoch, one.facts.record));
        let (facts, own) = (&mut whole.facts, one.facts);
        facts.biases = facts.biases.max(own.biases);
        let len = |history: &Option<History>| history.as_ref().map_or(0, |h| h.columns[0].len());
        if len(&own.history) > len(&facts.history) {
            facts.history = own.history;
        }
        facts.split = facts.split.take().or(own.split);
        for note in own.notes {
            if !facts.notes.contains(&note) {
                facts.notes.push(note);
            }
        }
    }
    let facts = &mut whole.facts;
    if let Some((name, epoch, Some(recorded))) = elsewhere.first() {
        facts.notes.push(format!(
            "{} records epoch {recorded}, and its name says {epoch}{}: the names count",
            shown(name),
            match elsewhere.len() {
                1 => String::new(),
                many => format!(" ({} more differ)", many - 1),
            }
        ));
    }
    if !others.is_empty() {
        facts.notes.push(format!(
            "{} files that are not named {} are left out: {}",
            others.len(),
            shown(&pattern.text),
            some(others)
        ));
    }
    let epochs = found.iter().map(|(epoch, _)| *epoch).collect();
    facts.epochs = steps(epochs, facts.ours, &mut facts.notes)?;
    facts.record = records
        .last()
        .map(|(_, record)| *record)
        .unwrap_or_default();
    if facts.history.is_none() {
        facts.history = of_records(&records, &mut facts.notes);
    }
    whole.path = folder.to_owned();
    whole.source = Source::Folder(files);
    Ok(whole)
}

/// Makes a history with gaps of the single losses of checkpoints.
fn of_records(records: &[(u64, [Option<f64>; 2])], notes: &mut Vec<String>) -> Option<History> {
    let last = records.last()?.0;
    let known = records
        .iter()
        .filter(|(_, record)| record.iter().any(Option::is_some));
    if known.clone().count() == 0 || last >= LONGEST_HISTORY {
        return None;
    }
    let len = last as usize + 1;
    let mut history = History {
        columns: std::array::from_fn(|_| vec![f64::NAN; len]),
    };
    for (epoch, record) in known {
        for (column, loss) in history.columns.iter_mut().zip(record) {
            column[*epoch as usize] = loss.unwrap_or(f64::NAN);
        }
    }
    notes.push("the history is the one loss that each checkpoint tells; between them it is not a number (NaN)".to_owned());
    Some(history)
}

fn check_alike(first: &Foreign, one: &Foreign, name: &str) -> Result<(), ExchangeError> {
    let name = shown(name);
    if one.source.len() != 1 {
        return refuse(format!(
            "its file {name} has {} checkpoints; expected one model in each file",
            one.source.len()
        ));
    }
    if (first.layout, &first.dims) != (one.layout, &one.dims) {
        return refuse(format!(
            "its file {name} is of another model than the first one: {:?} in {} layout, and {:?} in {} layout",
            one.dims,
            one.layout.words(),
            first.dims,
            first.layout.words()
        ));
    }
    let settings = |of: &Foreign| {
        let facts = &of.facts;
        (
            facts.activation.clone(),
            facts.scale,
            facts.mask,
            facts.rate,
        )
    };
    if settings(first) != settings(one) {
        return refuse(format!(
            "its file {name} tells another activation, attention scale, mask or attention rate than the first one; expected checkpoints of one model"
        ));
    }
    Ok(())
}

/// Returns the files below a folder, in folders as deep as `depth`, as paths from it with `/`.
fn names(folder: &Path, depth: usize) -> Result<Vec<String>, ExchangeError> {
    let mut names = vec![String::new()];
    for level in 0..=depth {
        let mut deeper = Vec::new();
        for name in &names {
            let path = folder.join(name);
            let failed = |error| ExchangeError::io("cannot read the folder", &path, &error);
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let own = entry.file_name();
                // A name that is not UTF-8 fits no pattern.
                let Some(own) = own.to_str() else { continue };
                if entry.path().is_dir() == (level < depth) && !own.starts_with('.') {
                    deeper.push(if name.is_empty() {
                        own.to_owned()
                    } else {
                        format!("{name}/{own}")
                    });
                }
                if deeper.len() > MOST_FILES {
                    return refuse(format!("it has more than {MOST_FILES} files"));
                }
            }
        }
        names = deeper;
    }
    names.sort_unstable();
    Ok(names)
}

/// Says what to do about a folder, with a pattern that its own first file suggests.
fn without_pattern(names: &[String]) -> String {
    let numbered = |name: &&String| name.contains(|c: char| c.is_ascii_digit());
    let example = match names.iter().find(numbered) {
        None => format!("step_{EPOCH}.pth"),
        Some(name) => {
            let end = name
                .rfind(|c: char| c.is_ascii_digit())
                .map_or(0, |at| at + 1);
            let head = name[..end].trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{head}{EPOCH}{}", &name[end..])
        }
    };
    format!(
        "it is a folder; expected --pattern with {EPOCH} where the names of its files have the epoch, --pattern '{}' for instance",
        shown(&example)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_read_where_the_pattern_has_them() {
        for (pattern, name, epoch) in [
            ("{epoch}.pth", "100.pth", Some(100)),
            ("{epoch}.pth", "x100.pth", None),
            ("{epoch}.pth", "100.pt", None),
            ("step_{epoch}.pt", "step_00042.pt", Some(42)),
            (
                "epoch={epoch}-step=*.ckpt",
                "epoch=9-step=900.ckpt",
                Some(9),
            ),
            ("*-{epoch}.pth", "run-2-17.pth", Some(17)),
            (
                "checkpoint-{epoch}/model.safetensors",
                "checkpoint-5/model.safetensors",
                Some(5),
            ),
            ("*{epoch}", "a/5", None),
            ("{epoch}", "99999999999999999999999", None),
            ("ä{epoch}ß", "ä7ß", Some(7)),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.epoch(name), epoch, "{pattern:?} {name}");
        }
        assert!(Pattern::new("model.pth").is_err());
        assert!(Pattern::new("{epoch}{epoch}").is_err());
    }

    #[test]
    fn a_pattern_is_suggested_by_the_files() {
        let said = without_pattern(&["README".to_owned(), "run2_step00100.pth".to_owned()]);
        assert!(said.contains("'run2_step{epoch}.pth'"), "{said}");
        assert!(without_pattern(&[]).contains("'step_{epoch}.pth'"));
    }
}
