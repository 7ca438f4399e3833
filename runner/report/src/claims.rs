//! The claims of the specs of runs, as rows of a table.

use grokrun_claims::{Verdict, Verified, of_run};
use grokrun_store::RunView;

use crate::gather::Flaws;

/// One claim.
pub(crate) struct ClaimRow {
    pub(crate) title: String,
    pub(crate) source: String,
    pub(crate) published: String,
    pub(crate) measured: String,
    pub(crate) verdict: &'static str,
    /// the colour of the verdict
    pub(crate) class: &'static str,
    /// why it cannot be evaluated
    pub(crate) reason: Option<String>,
}

/// Evaluates the claims of runs with these names; notes as a flaw where those of a run cannot be
/// looked at.
pub(crate) fn claims(views: &[RunView], names: &[String], flaws: &mut Flaws) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for (view, name) in views.iter().zip(names) {
        let run = (views.len() > 1).then_some(name.as_str());
        match of_run(view) {
            Ok(claims) => rows.extend(claims.iter().map(|claim| row(claim, run))),
            Err(error) => flaws.add(error.to_string()),
        }
    }
    rows
}

/// Makes the row of a claim; `run` is named where there are several.
fn row(claim: &Verified, run: Option<&str>) -> ClaimRow {
    let title = claim.title();
    let (class, reason) = match &claim.verdict {
        Verdict::Holds => ("good", None),
        Verdict::DoesNotHold => ("bad", None),
        Verdict::NotEvaluated(why) => ("open", Some(why.clone())),
    };
    ClaimRow {
        title: match run {
            Some(run) => format!("{run}: {title}"),
            None => title,
        },
        source: claim.claim.source.clone(),
        published: claim.published(),
        measured: claim.measured(),
        verdict: claim.verdict.word(),
        class,
        reason,
    }
}
