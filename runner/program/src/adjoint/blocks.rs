//! Tells which entries of a table two blocks have in common.

use crate::table::{Extent, View};

/// Returns the first and the end of a view's rows and of its columns; samples count as one row.
fn bounds(view: &View, tokens: usize) -> [[usize; 2]; 2] {
    [view.rows, view.cols].map(|span| {
        let len = match span.extent {
            Extent::Once(len) => len,
            Extent::Token(_) => tokens,
            Extent::Sample(_) => 1,
        };
        [span.first, span.first + len]
    })
}

/// Tells whether a block lies within another.
pub(super) fn contains(outer: &View, inner: &View, tokens: usize) -> bool {
    let both = bounds(outer, tokens).into_iter().zip(bounds(inner, tokens));
    let mut both = both;
    both.all(|(outer, inner)| outer[0] <= inner[0] && inner[1] <= outer[1])
}

/// Tells whether two blocks have no entry in common.
pub(super) fn disjoint(a: &View, b: &View, tokens: usize) -> bool {
    let mut both = bounds(a, tokens).into_iter().zip(bounds(b, tokens));
    both.any(|(a, b)| a[1] <= b[0] || b[1] <= a[0])
}

/// Returns the number of entries of a block; samples count as one row.
pub(super) fn area(view: &View, tokens: usize) -> usize {
    bounds(view, tokens)
        .iter()
        .map(|[first, end]| end - first)
        .product()
}
