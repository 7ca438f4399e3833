//! Finds out which part of a sweep this process trains: from `--shard`, or from the environment of
//! the workload manager.

use std::str::FromStr;

use grokrun_session::Shard;

use crate::output::Failure;

/// The value of `--shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardArg {
    /// `I/N`
    Given(Shard),
    /// `auto`, or `auto/N` if the environment does not say how many shards there are
    Auto(Option<usize>),
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardArg, String> {
        let expected = || {
            format!(
                "expected I/N with 1 <= I <= N <= {}, 2/8 for instance, or auto, or auto/N",
                Shard::MOST
            )
        };
        if text == "auto" {
            return Ok(ShardArg::Auto(None));
        }
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        let of: usize = of.parse().map_err(|_| expected())?;
        if index == "auto" {
            return match Shard::new(1, of) {
                Some(_) => Ok(ShardArg::Auto(Some(of))),
                None => Err(expected()),
            };
        }
        let index = index.parse().map_err(|_| expected())?;
        Shard::new(index, of)
            .map(ShardArg::Given)
            .ok_or_else(expected)
    }
}

/// Returns the shard, from the environment if the argument leaves it to that.
///
/// # Errors
/// If the environment does not say, or names a shard that does not exist.
pub(crate) fn settle(arg: ShardArg) -> Result<Shard, Failure> {
    match arg {
        ShardArg::Given(shard) => Ok(shard),
        ShardArg::Auto(of) => {
            from_environment(of, |name| std::env::var(name).ok()).map_err(Failure::request)
        }
    }
}

/// Returns the shard by the variables in the environment of a task.
///
/// With `auto/N` the number of a Slurm task is its shard, whatever part of the array was submitted:
/// `grokrun submit` numbers them so. `auto` alone has only the array to go by, so that has to be a
/// whole one, from 0 or 1 on without a gap. Kubernetes numbers the pods of an indexed job from 0,
/// and does not say how many there are.
fn from_environment(
    of: Option<usize>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let number = |name: &str| -> Result<Option<usize>, String> {
        let Some(text) = variable(name) else {
            return Ok(None);
        };
        let parsed = text.trim().parse();
        parsed
            .map(Some)
            .map_err(|_| format!("{name} is {text:?}; expected a number"))
    };
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let array = Array {
            id,
            first: number("SLURM_ARRAY_TASK_MIN")?,
            last: number("SLURM_ARRAY_TASK_MAX")?,
            count: number("SLURM_ARRAY_TASK_COUNT")?,
        };
        return match of {
            Some(of) => array.numbered(of),
            None => array.whole(),
        };
    }
    let Some(index) = number("JOB_COMPLETION_INDEX")? else {
        return Err(
            "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; expected to run as a task of a Slurm array or of an indexed Kubernetes job, or --shard I/N"
                .to_owned(),
        );
    };
    let of = of.ok_or(
        "--shard auto: the environment does not tell how many shards there are; expected --shard auto/N",
    )?;
    let shard = index.checked_add(1).and_then(|place| Shard::new(place, of));
    shard.ok_or_else(|| {
        format!(
            "--shard auto/{of}: JOB_COMPLETION_INDEX is {index}; expected 0 to {}",
            of - 1
        )
    })
}

/// A task of a Slurm array, as its environment describes it.
struct Array {
    /// this task's number
    id: usize,
    /// the smallest and the largest number of all tasks that were submitted with it
    first: Option<usize>,
    last: Option<usize>,
    /// the number of those tasks
    count: Option<usize>,
}

impl Array {
    /// Returns the shard of an array whose tasks are numbered by shards.
    ///
    /// # Errors
    /// If any task has another number: a part of the array, submitted again, would train other
    /// cells than before.
    fn numbered(&self, of: usize) -> Result<Shard, String> {
        let first = self.first.unwrap_or(self.id).min(self.id);
        let last = self.last.unwrap_or(self.id).max(self.id);
        let shard = Shard::new(self.id, of).filter(|_| first >= 1 && last <= of);
        shard.ok_or_else(|| {
            format!(
                "--shard auto/{of}: task {} is of an array numbered {first} to {last}; expected --array=1-{of} or a part of it, since a task's number is its shard, or --shard I/{of}",
                self.id
            )
        })
    }

    /// Returns the shard of an array that is all there is.
    fn whole(&self) -> Result<Shard, String> {
        let count = self
            .count
            .ok_or("--shard auto: SLURM_ARRAY_TASK_COUNT is not set; expected --shard auto/N")?;
        let first = self.first.unwrap_or(1);
        let last = self
            .last
            .unwrap_or(first.saturating_add(count).saturating_sub(1));
        let unbroken = last.checked_sub(first).map(|above| above.saturating_add(1)) == Some(count);
        let place = self
            .id
            .checked_sub(first)
            .map_or(0, |above| above.saturating_add(1));
        let shard = Shard::new(place, count).filter(|_| first <= 1 && unbroken && count > 1);
        shard.ok_or_else(|| {
            format!(
                "--shard auto: task {} is of an array of {count}, numbered {first} to {last}, which may be a part of a longer one; expected --shard auto/N with tasks numbered 1 to N, or --shard I/N",
                self.id
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(of: Option<usize>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        from_environment(of, variable).map(|shard| shard.to_string())
    }

    #[test]
    fn shards_are_counted_from_one() {
        let shard = |text: &str| text.parse::<ShardArg>();
        assert_eq!(shard("2/4"), Ok(ShardArg::Given(Shard::new(2, 4).unwrap())));
        assert_eq!(shard("auto"), Ok(ShardArg::Auto(None)));
        assert_eq!(shard("auto/8"), Ok(ShardArg::Auto(Some(8))));
        for wrong in [
            "0/4", "5/4", "1/0", "x/4", "1", "1/", "/1", "auto/0", "-1/4", "1/4/2", "",
        ] {
            assert!(shard(wrong).unwrap_err().contains("2/8"), "{wrong}");
        }
    }

    /// Returns the shard by the variables of a Slurm array.
    fn slurm(of: Option<usize>, id: &str, array: [&str; 3]) -> Result<String, String> {
        let [count, first, last] = array;
        let counts = [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", first),
            ("SLURM_ARRAY_TASK_MAX", last),
        ];
        auto(of, &counts)
    }

    #[test]
    fn engines_tell_which_shard_this_is() {
        let from_zero = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
        ];
        assert_eq!(auto(None, &from_zero), Ok("4/4".into()));
        assert_eq!(slurm(None, "3", ["4", "0", "3"]), Ok("4/4".into()));
        assert_eq!(slurm(None, "3", ["4", "1", "4"]), Ok("3/4".into()));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(auto(Some(8), &kubernetes), Ok("1/8".into()));
        assert!(auto(None, &kubernetes).unwrap_err().contains("auto/N"));
        assert!(auto(None, &[]).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
        let beyond = auto(Some(2), &[("JOB_COMPLETION_INDEX", "2")]);
        assert!(beyond.unwrap_err().contains("expected 0 to 1"));
        let most = usize::MAX.to_string();
        assert!(auto(Some(2), &[("JOB_COMPLETION_INDEX", &most)]).is_err());
        assert!(
            auto(None, &[("SLURM_ARRAY_TASK_ID", "x")])
                .unwrap_err()
                .contains("number")
        );
    }

    #[test]
    fn a_part_of_an_array_trains_its_own_shards() {
        let four = |id, array| slurm(Some(4), id, array);
        assert_eq!(four("3", ["4", "1", "4"]), Ok("3/4".into()), "all of it");
        assert_eq!(four("3", ["1", "3", "3"]), Ok("3/4".into()), "one again");
        assert_eq!(four("4", ["2", "2", "4"]), Ok("4/4".into()), "2,4");
        assert_eq!(four("3", ["2", "1", "3"]), Ok("3/4".into()), "1-4:2");
        assert_eq!(
            auto(Some(4), &[("SLURM_ARRAY_TASK_ID", "2")]),
            Ok("2/4".into())
        );
    }

    #[test]
    fn an_array_that_does_not_tell_the_shards_is_refused() {
        // Numbered otherwise than the shards: each task, also those whose number is one of a shard.
        for (id, array) in [
            ("0", ["4", "0", "3"]),
            ("3", ["4", "0", "3"]),
            ("14", ["3", "10", "14"]),
            ("1", ["4", "1", "7"]),
            ("5", ["1", "5", "5"]),
        ] {
            let why = slurm(Some(4), id, array).unwrap_err();
            assert!(why.contains("expected --array=1-4"), "{id}: {why}");
        }
        // Perhaps not all of the array.
        let most = usize::MAX.to_string();
        for (id, array) in [
            ("3", ["1", "3", "3"]),
            ("1", ["1", "1", "1"]),
            ("2", ["2", "2", "4"]),
            ("14", ["3", "10", "14"]),
            ("3", ["2", "1", "3"]),
            ("3", ["2", "3", "4"]),
            ("0", ["2", "1", "2"]),
            (&most, ["2", "1", "2"]),
            ("1", ["0", "1", "0"]),
            ("1", [&most, "0", &most]),
        ] {
            let why = slurm(None, id, array).unwrap_err();
            assert!(why.contains("expected --shard auto/N"), "{id}: {why}");
        }
    }
}
