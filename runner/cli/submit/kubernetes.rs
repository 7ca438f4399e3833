//! An indexed Job of Kubernetes, with the spec in a ConfigMap, as JSON, which kubectl takes like
//! YAML.
//!
//! The runs are in the folder `runs` of a volume that all pods share. The program calls no cluster.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{Places, Submission};
use crate::output::{Failure, print};

/// The folder of the shared volume in a pod, in which the program runs.
const WORK: &str = "/data";
/// The folder of the spec, and of what it names.
const SPEC: &str = "/spec";
/// The most bytes that a ConfigMap holds, with some to spare for its names.
const LONGEST: usize = 1_000_000;

/// Prints the objects that `kubectl apply -f -` makes.
///
/// # Errors
/// If the image or the volume is not named, an option of Slurm's is given, or a file cannot be
/// handed over.
pub(super) fn print_job(submission: &Submission<'_>) -> Result<ExitCode, Failure> {
    let args = submission.args;
    let (Some(image), Some(volume)) = (&args.image, &args.volume) else {
        return Err(Failure::request(
            "a pod needs an image with grokrun and a volume that all pods share; expected --image IMAGE and --volume CLAIM, the name of a PersistentVolumeClaim",
        ));
    };
    for (given, option) in [
        (args.time.is_some(), "--time"),
        (args.partition.is_some(), "--partition"),
        (!args.sbatch.is_empty(), "--sbatch"),
        (args.report, "--report"),
        (!args.spec.plugins.plugin.is_empty(), "--plugin"),
    ] {
        if given {
            return Err(Failure::request(format!(
                "{option} has no meaning for --engine kubernetes; leave it out, and edit the printed Job where it needs more"
            )));
        }
    }
    let files = files(submission)?;
    let places = Places {
        program: "grokrun",
        spec: &format!("{SPEC}/spec.toml"),
        out: "runs",
    };
    let command = submission.command(&places, |file| Ok(format!("{SPEC}/{}", name_of(file)?)))?;
    let name = object_name(&submission.spec.plan.name);
    let labels = json!({ "app.kubernetes.io/name": "grokrun", "app.kubernetes.io/instance": name });
    let mut resources = json!({});
    if let Some(gpus) = args.gpus {
        resources["limits"] = json!({ "nvidia.com/gpu": gpus });
    }
    let pod = json!({
        "restartPolicy": "Never",
        "containers": [{
            "name": "grokrun",
            "image": image,
            "command": command,
            "workingDir": WORK,
            "resources": resources,
            "volumeMounts": [
                { "name": "work", "mountPath": WORK },
                { "name": "spec", "mountPath": SPEC, "readOnly": true },
            ],
        }],
        "volumes": [
            { "name": "work", "persistentVolumeClaim": { "claimName": volume } },
            { "name": "spec", "configMap": { "name": name } },
        ],
    });
    let objects = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "name": name, "labels": labels },
                "data": files,
            },
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": { "name": name, "labels": labels },
                "spec": {
                    "completionMode": "Indexed",
                    "completions": submission.shards,
                    "parallelism": args.parallel.map_or(submission.shards, |tasks| tasks as usize),
                    "backoffLimitPerIndex": 6,
                    // 130: interrupted, state saved. A pod that was evicted goes on from its state.
                    "podFailurePolicy": { "rules": [
                        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                        { "action": "Ignore", "onExitCodes": { "operator": "In", "values": [130] } },
                    ]},
                    "template": { "metadata": { "labels": labels }, "spec": pod },
                },
            },
        ],
    });
    print(&format!("{objects:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the texts of the ConfigMap: the spec, and the files of Python that it names.
fn files(submission: &Submission<'_>) -> Result<Map<String, Value>, Failure> {
    let mut files = Map::new();
    files.insert(
        "spec.toml".to_owned(),
        Value::from(submission.spec.text.as_str()),
    );
    for script in &submission.spec.scripts {
        let text = fs::read_to_string(&script.file).map_err(|error| {
            Failure::request(format!("{} cannot be read: {error}", script.file.display()))
        })?;
        files.insert(name_of(&script.file)?, Value::from(text));
    }
    let bytes: usize = files.values().filter_map(Value::as_str).map(str::len).sum();
    if bytes > LONGEST {
        return Err(Failure::request(format!(
            "the spec and its files have {bytes} bytes; expected at most {LONGEST}, which a ConfigMap holds"
        )));
    }
    Ok(files)
}

/// Returns the name of a file as a key of a ConfigMap.
fn name_of(file: &Path) -> Result<String, Failure> {
    let name = file.file_name().and_then(|name| name.to_str());
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match name {
        Some(name) if name.chars().all(is_key) => Ok(name.to_owned()),
        _ => Err(Failure::request(format!(
            "{} cannot be a key of a ConfigMap; expected a name of letters, digits, '-', '_' and '.'",
            file.display()
        ))),
    }
}

/// Returns the name of the objects: that of the run, as a label of DNS, which has 63 characters at
/// most; pods of an indexed job add a dash and their index.
fn object_name(run: &str) -> String {
    let name: String = run
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| match c {
            'a'..='z' | '0'..='9' => c,
            _ => '-',
        })
        .take(44)
        .collect();
    format!("grokrun-{}", name.trim_matches('-'))
        .trim_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        assert_eq!(object_name("Mult 113_b"), "grokrun-mult-113-b");
        assert_eq!(object_name("...").as_str(), "grokrun");
        assert!(object_name(&"x".repeat(100)).len() <= 52);
        assert_eq!(
            name_of(Path::new("a/mine.py")).ok().as_deref(),
            Some("mine.py")
        );
        assert!(name_of(Path::new("a/my file.py")).is_err());
    }
}
