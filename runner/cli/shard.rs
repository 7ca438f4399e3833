//! `--shard`: which part of a sweep this process trains, told outright or by the cluster's engine.

use std::str::FromStr;

use grokrun_session::Shard;

use crate::output::Failure;

/// What `--shard` was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardArg {
    /// `I/N`
    Given(Shard),
    /// `auto`, or `auto/N` where the engine does not tell how many there are
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

/// The shard that is meant, by the engine's environment where it is left to that.
///
/// # Errors
/// When the environment does not tell, or tells of no shard that there is.
pub(crate) fn settle(arg: ShardArg) -> Result<Shard, Failure> {
    match arg {
        ShardArg::Given(shard) => Ok(shard),
        ShardArg::Auto(of) => {
            from_environment(of, |name| std::env::var(name).ok()).map_err(Failure::request)
        }
    }
}

/// Slurm counts array tasks from `SLURM_ARRAY_TASK_MIN` in steps of `SLURM_ARRAY_TASK_STEP`,
/// Kubernetes the pods of an indexed job from 0, and does not tell how many there are.
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
    let (place, count) = if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(1);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let place = id.checked_sub(first).map(|above| above / step);
        (place, number("SLURM_ARRAY_TASK_COUNT")?)
    } else if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        (Some(index), None)
    } else {
        return Err(
            "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; expected to run as a task of a Slurm array or of an indexed Kubernetes job, or --shard I/N"
                .to_owned(),
        );
    };
    let of = of.or(count).ok_or(
        "--shard auto: the environment does not tell how many shards there are; expected --shard auto/N",
    )?;
    place
        .and_then(|place| Shard::new(place + 1, of))
        .ok_or_else(|| {
            let place = place.map_or("before the first".to_owned(), |place| {
                (place + 1).to_string()
            });
            format!("--shard auto: this is task {place} of {of}; expected one of 1 to {of}")
        })
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

    #[test]
    fn engines_tell_which_shard_this_is() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
        ];
        assert_eq!(auto(None, &slurm), Ok("4/4".into()));
        let stepped = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        assert_eq!(auto(None, &stepped), Ok("3/3".into()));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(auto(Some(8), &kubernetes), Ok("1/8".into()));
        assert!(auto(None, &kubernetes).unwrap_err().contains("auto/N"));
        assert!(auto(None, &[]).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
        assert!(auto(Some(2), &[("JOB_COMPLETION_INDEX", "2")]).is_err());
        assert!(
            auto(None, &[("SLURM_ARRAY_TASK_ID", "x")])
                .unwrap_err()
                .contains("number")
        );
    }
}
