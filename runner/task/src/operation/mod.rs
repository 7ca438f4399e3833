//! Defines operations: named ones and expressions on residues, groups, tables, parities. Owns what
//! they have in common: their texts, their domains and their values. Knows nothing of data sets.

mod domain;
mod error;
mod evaluator;
mod expression;
mod formula;
mod lexer;
mod named;
mod notation;
mod parser;
mod written;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use domain::{Count, Domain};
pub use error::OperationError;
pub use evaluator::{Evaluator, MAX_MODULUS, MAX_TUPLES};
pub use expression::MAX_OPERANDS;

use formula::Formula;
use named::NAMED;
use written::Table;

use crate::SparseParity;
use crate::group::{ElementOrder, Group};
use crate::table::{TableError, TableOperation};

/// The length of the longest slug, in bytes.
const LONGEST_SLUG: usize = 40;

/// A function of two to five residues, of two elements of a group or a table, or of many bits:
/// `add`, `a^2 + a*b + b^2`, `a + b + c`, `group S5`.
///
/// # Names
/// | name | function |
/// | --- | --- |
/// | `add`, `sub`, `mul`, `div` | a + b, a − b, a × b, a / b |
/// | `mul-nonzero` | a × b on 1..p: neither operand is 0 |
/// | `square-add`, `cube-add` | a² + b, a³ + b |
/// | `square-sum` | a² + b² |
/// | `quadratic`, `quadratic-add` | a² + ab + b², a² + ab + b² + a |
/// | `cubic`, `cubic-add` | a³ + ab, a³ + ab² + b |
/// | `div-odd-else-sub` | a / b if b is odd, else a − b |
/// | `add-even-else-mul`, `add-even-else-sub` | a + b if a is even, else a × b, a − b |
///
/// # Expressions
/// ```text
/// choice    = sum [ "if" sum ["is"] ("odd" | "even") "else" choice ]
/// sum       = product { ("+" | "-") product }
/// product   = negation { ("*" | "/") negation }
/// negation  = "-" negation | power
/// power     = atom [ "^" integer ]
/// atom      = "a" | "b" | "c" | "d" | "e" | integer | "(" choice ")"
/// ```
/// Integers are decimal, below 2^64 and count modulo the modulus (exponents do not). A residue is
/// odd or even as the integer from 0 to p − 1. Anything to the power 0 is 1. A text has at most 512
/// bytes, spaces not counted.
///
/// The last letter of an expression determines the number of its operands, which is at least two:
/// `a + c` has three operands, and the second one changes nothing. `on nonzero` after a name or an
/// expression leaves out the tuples with a 0.
///
/// An expression that spells out a named operation *is* that operation: `a*b` and `mul` are equal
/// and have one slug.
///
/// # Domain
/// A division by 0 has no result; tuples that would need one are not in the data set. Only the
/// chosen branch of a conditional counts. A divisor other than 0 that has no inverse (possible for
/// composite moduli only) makes the operation undefined for that modulus as a whole:
/// [`Operation::check`].
///
/// ```
/// use grokrun_task::Operation;
///
/// let operation = Operation::parse("a/b if b odd else a - b")?;
/// assert_eq!(operation.slug(), "div-odd-else-sub");
/// assert_eq!(operation.apply(6, 3, 113), Some(2));
/// assert_eq!(operation.apply(6, 8, 113), Some(111));
/// # Ok::<(), grokrun_task::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Operation {
    kind: Kind,
    /// The result of [`Operation::text`]. Equal operations have equal texts.
    text: String,
    /// The length of the text that was parsed; errors of the modulus concern all of that text.
    extent: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Formula(Formula),
    Group(Arc<Group>),
    Table(Arc<Table>),
    Parity(SparseParity),
}

impl Operation {
    /// Reads a name or an expression, with or without `on nonzero` after it, or a group as
    /// [`Operation::text`] writes it; surrounding spaces are ignored.
    ///
    /// # Errors
    /// When the text is none of these; the error says where the text stops making sense.
    pub fn parse(text: &str) -> Result<Operation, OperationError> {
        let kind = match (written::group(text), written::parity(text)) {
            (Some(group), _) => Kind::Group(Arc::new(group?)),
            (None, Some(parity)) => Kind::Parity(parity?),
            (None, None) => Kind::Formula(Formula::parse(text)?),
        };
        Ok(Operation::of(kind, text.len()))
    }

    /// Reads a group by its name, `S5` or `S4 x S4`, with its elements in an order; surrounding
    /// spaces are ignored.
    ///
    /// # Errors
    /// When there is no such group, the group is too large, or its elements are not known in that
    /// order. The span is a part of the name.
    pub fn group(name: &str, order: ElementOrder) -> Result<Operation, OperationError> {
        let group = Group::with_order(name, order)?;
        Ok(Operation::of(Kind::Group(Arc::new(group)), name.len()))
    }

    /// Makes an operation of a table. The name is for people and file names: equal tables with
    /// different names are different operations.
    pub fn table(name: &str, table: TableOperation) -> Operation {
        let name = written::table_name(name);
        let extent = name.len();
        Operation::of(Kind::Table(Arc::new(Table { name, table })), extent)
    }

    /// Makes an operation of the parity of some of many bits, which is learned from samples.
    pub fn parity(parity: SparseParity) -> Operation {
        Operation::of(Kind::Parity(parity), 0)
    }

    /// Makes an operation of the bytes of a table file, of either format that
    /// [`TableOperation::read`] reads.
    ///
    /// # Errors
    /// When the bytes are not a table.
    pub fn table_from_bytes(name: &str, bytes: &[u8]) -> Result<Operation, TableError> {
        TableOperation::read(bytes).map(|table| Operation::table(name, table))
    }

    fn of(kind: Kind, extent: usize) -> Operation {
        let text = match &kind {
            Kind::Formula(formula) => formula.text(),
            Kind::Group(group) => written::group_text(group),
            Kind::Table(table) => table.text(),
            Kind::Parity(parity) => written::parity_text(parity),
        };
        Operation { kind, text, extent }
    }

    /// Restricts the operation to a domain: to the tuples without a 0, or not at all. `mul` becomes
    /// `mul-nonzero`, and `add` becomes `a + b on nonzero`.
    ///
    /// # Errors
    /// When the operation is a group or a table, whose elements are not residues: none of them is
    /// 0.
    pub fn on(self, domain: Domain) -> Result<Operation, OperationError> {
        match (self.kind, domain) {
            (kind, Domain::All) => Ok(Operation { kind, ..self }),
            (Kind::Formula(formula), Domain::Nonzero) => Ok(Operation::of(
                Kind::Formula(formula.on(domain)),
                self.extent,
            )),
            (Kind::Group(_) | Kind::Table(_) | Kind::Parity(_), Domain::Nonzero) => {
                let message = format!("{} has no element that is zero", self.text);
                let expected = "all pairs, or an operation on residues";
                Err(OperationError::new(0..self.extent, message, expected))
            }
        }
    }

    /// Returns the names that [`Operation::parse`] knows.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        NAMED.iter().map(|named| named.name)
    }

    /// Returns the name, if the operation has one.
    pub fn name(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Formula(formula) => formula.name,
            Kind::Group(_) | Kind::Table(_) | Kind::Parity(_) => None,
        }
    }

    /// Returns the number of operands: 2 to [`MAX_OPERANDS`], of a parity the number of its bits.
    pub fn operands(&self) -> usize {
        match &self.kind {
            Kind::Formula(formula) => formula.operands,
            Kind::Group(_) | Kind::Table(_) => 2,
            Kind::Parity(parity) => parity.bits(),
        }
    }

    /// Returns the number of elements of a group or a table, which takes the place of the modulus;
    /// `None` for operations on residues.
    pub fn size(&self) -> Option<u32> {
        match &self.kind {
            Kind::Formula(_) => None,
            Kind::Group(group) => Some(group.order()),
            Kind::Table(table) => Some(table.table.size()),
            Kind::Parity(_) => Some(2),
        }
    }

    /// Returns the number of values that an operand can have, which is the number of tokens for
    /// operands.
    pub fn tokens(&self, modulus: u32) -> u32 {
        self.size().unwrap_or(modulus)
    }

    /// Returns the number of values that the result can have.
    pub fn classes(&self, modulus: u32) -> u32 {
        self.size().unwrap_or(modulus)
    }

    /// Returns the number of tuples modulo `modulus`, whether they are defined or not: p² of two
    /// operands, and of a parity the samples. The number is cut off at the largest there is.
    pub fn tuples(&self, modulus: u32) -> u64 {
        match &self.kind {
            Kind::Parity(parity) => parity.samples() as u64,
            _ => u64::from(self.tokens(modulus)).saturating_pow(self.operands() as u32),
        }
    }

    /// Returns the group, if the operation is one.
    pub fn as_group(&self) -> Option<&Group> {
        match &self.kind {
            Kind::Group(group) => Some(group),
            Kind::Formula(_) | Kind::Table(_) | Kind::Parity(_) => None,
        }
    }

    /// Returns the table, if the operation is one.
    pub fn as_table(&self) -> Option<&TableOperation> {
        match &self.kind {
            Kind::Table(table) => Some(&table.table),
            Kind::Formula(_) | Kind::Group(_) | Kind::Parity(_) => None,
        }
    }

    /// Returns the parity, if the operation is one.
    pub fn as_parity(&self) -> Option<&SparseParity> {
        match &self.kind {
            Kind::Parity(parity) => Some(parity),
            Kind::Formula(_) | Kind::Group(_) | Kind::Table(_) => None,
        }
    }

    /// Returns the name of the table, if the operation is one.
    pub fn table_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Table(table) => Some(&table.name),
            Kind::Formula(_) | Kind::Group(_) | Kind::Parity(_) => None,
        }
    }

    /// Returns the tuples that the operation is meant for.
    pub fn domain(&self) -> Domain {
        match &self.kind {
            Kind::Formula(formula) => formula.domain,
            Kind::Group(_) | Kind::Table(_) | Kind::Parity(_) => Domain::All,
        }
    }

    /// Returns the name, the expression in its canonical form, `group S5` or `table NAME (HASH)`.
    /// The text parses to this operation again, unless the operation is a table.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the operation as people write it: `a × b`, `a² + ab + b²`, `ab in S5`.
    pub fn notation(&self) -> String {
        match &self.kind {
            Kind::Formula(formula) => formula.notation(),
            Kind::Group(group) => written::group_notation(group),
            Kind::Table(table) => table.notation(),
            Kind::Parity(parity) => written::parity_notation(parity),
        }
    }

    /// Returns a short name for files: lower-case letters, digits and hyphens. The slug of a named
    /// operation is its name. Expressions are spelled out, with a hash of six digits if that is too
    /// long or could mean another expression as well. Groups and tables begin with their kind. The
    /// slug is the same in every version and on every machine.
    pub fn slug(&self) -> String {
        match &self.kind {
            Kind::Formula(formula) => formula.slug(),
            Kind::Group(group) => written::group_slug(group),
            Kind::Table(table) => table.slug(),
            Kind::Parity(parity) => written::parity_slug(parity),
        }
    }
}

/// Equal operations are written the same, except for spaces, parentheses without effect, and names.
impl PartialEq for Operation {
    fn eq(&self, other: &Operation) -> bool {
        self.text == other.text
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
