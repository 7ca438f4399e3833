//! Findings as the store keeps them, and how to tell whether they are still good.

use std::collections::BTreeMap;

use grokrun_host::{Findings, Found, Kept, Outcome, Series, SoFar};
use grokrun_spec::AnalysisRequest;
use grokrun_store::{Content, FindingFiles, FindingsIndex, Formula, FoundTensor};

/// What makes findings those of this request: other values give other findings.
pub(crate) fn identity(found: &Found, request: &AnalysisRequest) -> FindingsIndex {
    FindingsIndex {
        analysis: found.name().to_owned(),
        version: found.version().to_owned(),
        summary: found.summary().to_owned(),
        definition: found.definition().to_owned(),
        every: request.every,
        parameters: request.parameters.clone(),
        ..FindingsIndex::default()
    }
}

/// Whether an index is that of this request, concluded.
pub(crate) fn is_of(index: &FindingsIndex, found: &Found, request: &AnalysisRequest) -> bool {
    index.so_far.is_none() && is_same(index, &identity(found, request))
}

/// Whether two indices are of the same analysis with the same parameters.
pub(crate) fn is_same(index: &FindingsIndex, wanted: &FindingsIndex) -> bool {
    let same = |part: fn(&FindingsIndex) -> &String| part(index) == part(wanted);
    same(|index| &index.analysis)
        && same(|index| &index.version)
        && same(|index| &index.summary)
        && same(|index| &index.definition)
        && index.every == wanted.every
        && index.parameters == wanted.parameters
}

/// The files of an analysis that goes on.
pub(crate) fn so_far(identity: FindingsIndex, found: SoFar) -> FindingFiles {
    let Series { epochs, columns } = found.series;
    FindingFiles {
        index: FindingsIndex {
            so_far: Some(found.epoch),
            series: columns.keys().cloned().collect(),
            ..identity
        },
        epochs,
        series: columns.into_iter().collect(),
        ..FindingFiles::default()
    }
}

/// The files of an outcome. No times are in them: the same checkpoints give the same bytes.
pub(crate) fn of(identity: FindingsIndex, outcome: Outcome) -> FindingFiles {
    let Findings {
        series,
        tensors,
        tables,
        figures,
        notes,
        headlines,
        formula,
    } = outcome.findings;
    let index = FindingsIndex {
        notes,
        headlines,
        failure: outcome.failure,
        series: series.columns.keys().cloned().collect(),
        tensors: tensors.keys().cloned().collect(),
        tables: tables.keys().cloned().collect(),
        figures: figures.keys().cloned().collect(),
        formula: formula.map(|formula| Formula {
            argument: formula.argument,
            period: formula.period,
            keys: formula.keys,
            explanation: formula.explanation,
        }),
        ..identity
    };

    let named = |kind: &'static str, kept: BTreeMap<String, Kept>| {
        kept.into_iter()
            .map(move |(name, kept)| (format!("{name}.{kind}.json"), content(kept)))
    };
    FindingFiles {
        index,
        epochs: series.epochs,
        series: series.columns.into_iter().collect(),
        tensors: tensors
            .into_iter()
            .map(|(name, stack)| {
                let count = stack.epochs.as_ref().map(Vec::len);
                FoundTensor {
                    name,
                    shape: count.into_iter().chain(stack.shape).collect(),
                    data: content(stack.data),
                    epochs: stack.epochs,
                }
            })
            .collect(),
        json: named("table", tables)
            .chain(named("figure", figures))
            .collect(),
    }
}

/// The files of an analysis that has not looked at its cell, and why.
pub(crate) fn declined(identity: FindingsIndex, why: &str) -> FindingFiles {
    FindingFiles {
        index: FindingsIndex {
            notes: vec![why.to_owned()],
            ..identity
        },
        ..FindingFiles::default()
    }
}

/// What is kept, as the store takes it.
fn content(kept: Kept) -> Content {
    Content {
        length: kept.len(),
        from: Box::new(kept.into_reader()),
    }
}
