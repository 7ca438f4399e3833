//! Writes groups, tables and parities: as texts, for people, for file names.

use super::{LONGEST_SLUG, OperationError};
use crate::SparseParity;
use crate::group::{ElementOrder, Group};
use crate::table::TableOperation;

/// The beginning of the text of a group.
const GROUP: &str = "group";

/// The length of the longest name of a table, in characters.
const LONGEST_NAME: usize = 64;

/// Returns the group of `text`, if the text begins with the word.
pub(super) fn group(text: &str) -> Option<Result<Group, OperationError>> {
    let start = text.len() - text.trim_start().len();
    let rest = text[start..].strip_prefix(GROUP)?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let named = |order: &ElementOrder| {
        let name = rest.trim_end().strip_suffix(&in_order(*order))?;
        Some((name, *order))
    };
    let (name, order) = ElementOrder::ALL
        .iter()
        .find_map(named)
        .unwrap_or((rest, ElementOrder::Lexicographic));
    let shift = start + GROUP.len();
    Some(
        Group::with_order(name, order).map_err(|error| OperationError {
            span: error.span.start + shift..error.span.end + shift,
            ..error
        }),
    )
}

/// Returns the text of a group, which [`group`] reads again.
pub(super) fn group_text(group: &Group) -> String {
    format!("{GROUP} {group}{}", order_unless_usual(group))
}

pub(super) fn group_notation(group: &Group) -> String {
    format!("ab in {group}{}", order_unless_usual(group))
}

pub(super) fn group_slug(group: &Group) -> String {
    let mut words = vec![GROUP.to_owned(), group.name().to_lowercase()];
    if group.element_order() != ElementOrder::Lexicographic {
        words.push(group.element_order().name().to_owned());
    }
    let slug = words.join("-").replace(' ', "-");
    if slug.len() <= LONGEST_SLUG {
        return slug;
    }
    shortened(&slug, &blake3::hash(group_text(group).as_bytes()))
}

/// The beginning of the text of a parity.
const PARITY: &str = "parity of ";

/// Returns the parity of `text`, if the text begins with the words.
pub(super) fn parity(text: &str) -> Option<Result<SparseParity, OperationError>> {
    let rest = text.trim().strip_prefix(PARITY)?;
    let refused = |message: String| {
        let expected = "a text such as \"parity of 3 of 40 bits, 1000 samples, seed 0\"";
        OperationError::new(0..text.len(), message, expected)
    };
    let read = || {
        let (relevant, rest) = rest.split_once(" of ")?;
        let (bits, rest) = rest.split_once(" bits, ")?;
        let (samples, seed) = rest.split_once(" samples, seed ")?;
        let number = |text: &str| text.parse::<usize>().ok();
        let seed = seed.parse().ok()?;
        Some((number(bits)?, number(relevant)?, number(samples)?, seed))
    };
    let Some((bits, relevant, samples, seed)) = read() else {
        return Some(Err(refused(format!("{text:?} is no parity"))));
    };
    let made = SparseParity::new(bits, relevant, samples, seed);
    Some(made.map_err(|error| refused(error.to_string())))
}

/// Returns the text of a parity, which [`parity`] reads again.
pub(super) fn parity_text(parity: &SparseParity) -> String {
    let (samples, seed) = (parity.samples(), parity.seed());
    format!(
        "{}, {samples} samples, seed {seed}",
        parity_notation(parity)
    )
}

pub(super) fn parity_notation(parity: &SparseParity) -> String {
    format!("{PARITY}{} of {} bits", parity.relevant(), parity.bits())
}

pub(super) fn parity_slug(parity: &SparseParity) -> String {
    let (relevant, bits) = (parity.relevant(), parity.bits());
    let (samples, seed) = (parity.samples(), parity.seed());
    format!("parity-{relevant}-of-{bits}-n{samples}-s{seed}")
}

fn order_unless_usual(group: &Group) -> String {
    match group.element_order() {
        ElementOrder::Lexicographic => String::new(),
        order => in_order(order),
    }
}

fn in_order(order: ElementOrder) -> String {
    format!(" in {order} order")
}

/// A table with the name under which it is shown.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) table: TableOperation,
}

impl Table {
    pub(super) fn text(&self) -> String {
        let hash = self.table.hash().to_hex();
        format!("table {} ({})", self.name, &hash[..16])
    }

    pub(super) fn notation(&self) -> String {
        format!("table {} of a and b", self.name)
    }

    /// Returns the name as far as a file name can contain it, and six digits of the hash of the
    /// content.
    pub(super) fn slug(&self) -> String {
        let words = |c: char| !c.is_ascii_alphanumeric();
        let words: Vec<&str> = self.name.split(words).filter(|w| !w.is_empty()).collect();
        let slug = format!("table-{}", words.join("-").to_ascii_lowercase());
        shortened(&slug, &self.table.hash())
    }
}

/// Returns the name of a table on one line, cut to [`LONGEST_NAME`].
pub(super) fn table_name(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control());
    let name: String = plain.take(LONGEST_NAME).collect();
    match name.trim() {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// Returns a slug followed by six digits of a hash, cut to fit.
fn shortened(slug: &str, hash: &blake3::Hash) -> String {
    let mut slug = slug.to_owned();
    // Slugs are ASCII, so every cut is between characters.
    slug.truncate(LONGEST_SLUG - "-123456".len());
    format!("{}-{}", slug.trim_end_matches('-'), &hash.to_hex()[..6])
}
