//! Runs `grokrun verify RUN…`: the claims of specs, evaluated on their runs.

use std::path::Path;
use std::process::ExitCode;

use grokrun_claims::{ClaimsError, Verdict, Verified, counted, of_run};
use grokrun_store::RunView;
use serde_json::Value;

use crate::args::VerifyArgs;
use crate::output::{Failure, print, say, table, wrapped};
use crate::spec;

/// The columns of a terminal.
const WIDTH: usize = 80;
/// The fewest columns of a claim in words.
const NARROWEST: usize = 16;

/// Runs the command.
///
/// # Errors
/// If a folder holds no run, a spec is wrong or of another run, or there is no claim at all.
pub(crate) fn verify(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let mut runs = Vec::new();
    for path in &args.runs {
        let (name, claims) = if path.is_dir() {
            of_folder(path)?
        } else {
            of_spec(path, &args.out)?
        };
        if claims.is_empty() {
            say(format!(
                "{name}: its spec has no claims; expected a [[claim]] in it, and `grokrun SPEC` again"
            ));
        }
        runs.push((name, claims));
    }
    let all = || runs.iter().flat_map(|(_, claims)| claims);
    if all().next().is_none() {
        return Err(Failure::request("there is nothing to verify"));
    }
    if args.json {
        print(&format!("{:#}\n", json(&runs)))?
    } else {
        let shown = runs.iter().filter(|(_, claims)| !claims.is_empty());
        let texts: Vec<String> = shown.map(|(name, claims)| text(name, claims)).collect();
        print(&texts.join("\n"))?;
    }
    Ok(if all().all(|claim| claim.verdict == Verdict::Holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Evaluates the claims that the folder of a run has.
fn of_folder(path: &Path) -> Result<(String, Vec<Verified>), Failure> {
    let view = RunView::open(path)?;
    let claims = of_run(&view).map_err(failure)?;
    Ok((path.display().to_string(), claims))
}

/// Evaluates the claims of a spec on the run that is there of it.
fn of_spec(path: &Path, out: &Path) -> Result<(String, Vec<Verified>), Failure> {
    let (text, shipped) = spec::text_of(path)?;
    shipped.iter().for_each(say);
    let plan = spec::parse_without_plugins(&text, path)?;
    let folder = out.join(&plan.name);
    let view = RunView::open(&folder)?;
    let resolved = view.resolved()?;
    let earlier = spec::parse_without_plugins(&resolved, &folder.join("resolved.toml"))?;
    let changes = plan.changes_from(&earlier);
    if !changes.is_empty() {
        let lines: Vec<String> = changes.iter().map(|c| format!("\n  {c}")).collect();
        return Err(Failure::request(format!(
            "{} is a run of another spec: these keys differ{}\nexpected the spec of that run; --out DIR names another folder of runs",
            folder.display(),
            lines.concat()
        )));
    }
    let claims = grokrun_claims::verify(&plan, &view).map_err(failure)?;
    Ok((folder.display().to_string(), claims))
}

fn failure(error: ClaimsError) -> Failure {
    match error {
        ClaimsError::Store(error) => Failure::from(error),
        error => Failure::running(error),
    }
}

/// Returns the claims of all runs as one list, each with its run.
fn json(runs: &[(String, Vec<Verified>)]) -> Value {
    let object = |run: &String, claim: &Verified| {
        let mut object = claim.to_json();
        object["run"] = run.as_str().into();
        object
    };
    runs.iter()
        .flat_map(|(run, claims)| claims.iter().map(move |claim| object(run, claim)))
        .collect()
}

/// Formats the claims of a run: a table, the reasons of what cannot be evaluated, the sources.
fn text(run: &str, claims: &[Verified]) -> String {
    let heading = ["", "claim", "published", "measured", "verdict"].map(str::to_owned);
    let row = |(i, claim): (usize, &Verified)| {
        [
            (i + 1).to_string(),
            claim.title(),
            claim.published(),
            claim.measured(),
            claim.verdict.word().to_owned(),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heading)
        .chain(claims.iter().enumerate().map(row))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let others: usize = [0, 2, 3, 4].into_iter().filter_map(width).sum();
    let room = WIDTH.saturating_sub(others + 2 * 4).max(NARROWEST);
    let mut lines: Vec<Vec<String>> = Vec::new();
    for [number, claim, published, measured, verdict] in rows {
        let mut parts = wrapped(&claim, room).into_iter();
        let first = parts.next().unwrap_or_default();
        lines.push(vec![number, first, published, measured, verdict]);
        lines.extend(parts.map(|part| vec![String::new(), part]));
    }
    let mut out = format!("{run}: {}\n\n{}", counted(claims), table(&lines));
    for (i, claim) in claims.iter().enumerate() {
        if let Verdict::NotEvaluated(why) = &claim.verdict {
            out.push('\n');
            out.push_str(&paragraph(&format!(
                "error: claim {} cannot be evaluated: {why}",
                i + 1
            )));
        }
    }
    out.push('\n');
    for (source, numbers) in sources(claims) {
        out.push_str(&paragraph(&format!("{numbers}: {source}")));
    }
    out
}

/// Returns each source once, with the numbers of its claims.
fn sources(claims: &[Verified]) -> Vec<(&str, String)> {
    let mut sources: Vec<(&str, String)> = Vec::new();
    for (number, claim) in (1..).zip(claims) {
        let source = claim.claim.source.as_str();
        match sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, numbers)) => numbers.push_str(&format!(", {number}")),
            None => sources.push((source, number.to_string())),
        }
    }
    sources
}

fn paragraph(text: &str) -> String {
    let mut paragraph = wrapped(text, WIDTH).join("\n");
    paragraph.push('\n');
    paragraph
}
