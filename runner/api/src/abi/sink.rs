//! Findings on their way to the host.

use serde_json::json;

use super::guard::Host;
use super::layout::{FindingKind, RawFinding};
use super::text::Str;
use crate::{Finding, Sink};

/// Pushes each finding across the border; the host copies it before this returns.
pub(super) struct Across(pub(super) Host);

impl Sink for Across {
    fn push(&mut self, finding: Finding) {
        let Across(host) = self;
        match finding {
            Finding::Scalar { series, value } => host.push(&RawFinding {
                value,
                ..RawFinding::new(FindingKind::Scalar, &series)
            }),
            Finding::Tensor { name, shape, data } => {
                let shape: Vec<u64> = shape.into_iter().map(|size| size as u64).collect();
                host.push(&RawFinding {
                    shape: shape.as_ptr(),
                    ndim: shape.len() as u64,
                    data: data.as_ptr(),
                    count: data.len() as u64,
                    ..RawFinding::new(FindingKind::Tensor, &name)
                });
            }
            Finding::Table {
                name,
                columns,
                rows,
            } => {
                let json = json!({ "columns": columns, "rows": rows }).to_string();
                host.push(&RawFinding {
                    text: Str::of(&json),
                    ..RawFinding::new(FindingKind::Table, &name)
                });
            }
            Finding::Note(text) => host.push(&RawFinding {
                name: Str::NONE,
                text: Str::of(&text),
                ..RawFinding::new(FindingKind::Note, "")
            }),
            Finding::Figure { name, figure } => {
                let json = figure.to_string();
                host.push(&RawFinding {
                    text: Str::of(&json),
                    ..RawFinding::new(FindingKind::Figure, &name)
                });
            }
        }
    }
}
