//! Reads the field `operation`: a name or an expression, a group, a table, or a parity. The task
//! crate owns what each of them is.

use grokrun_task::{ElementOrder, MAX_BITS, Operation, SparseParity, TableError};
use serde_json::{Value as Json, json};

use crate::axis::{Element, Point, Seed};
use crate::document::{Node, Value};
use crate::field::{Choice, Field, Listing, Presence, Reader, Want, wrong_type};
use crate::number::Integer;
use crate::source::{Sources, Span};
use crate::table::{Section, Table};
use crate::word::Word;

/// The field of the operation that is learned.
#[derive(Debug)]
pub(crate) struct OperationField {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
}

static GROUP: Table = Table {
    path: "operation",
    about: "The product of a finite group.",
    required: Some("operation = { group = \"S5\" }"),
    fields: &[&NAME, &ORDER],
};

static NAME: Word = Word {
    path: "operation.group",
    about: "The group: Cn, Dn (with 2n elements), Sn, An, Dicn (4n), or a product, \"S4 x S4\".",
    required: Some("group = \"S5\""),
};

static ORDER: Choice<ElementOrder> = Choice {
    path: "operation.order",
    about: "The order of the elements: lexicographic, or that of the published code of Stander et \
            al. (rep-theory) or of Chughtai et al. (parity).",
    default: ("lexicographic", ElementOrder::Lexicographic),
    others: &[
        ("rep-theory", ElementOrder::RepTheory),
        ("parity", ElementOrder::Parity),
    ],
};

static TABLE: Table = Table {
    path: "operation",
    about: "Any operation, by its table.",
    required: Some("operation = { table = \"t.csv\" }"),
    fields: &[&FILE, &CSV],
};

static FILE: Word = Word {
    path: "operation.table",
    about: "A file in the folder of the spec: .csv, a square of results or lines a,b,result; or .npy.",
    required: Some("table = \"t.csv\""),
};

static CSV: Word = Word {
    path: "operation.csv",
    about: "The table itself, as the text of a .csv file; the file is not read then.",
    required: None,
};

static PARITY: Table = Table {
    path: "operation",
    about: "The parity of some of many random bits, learned from samples (sparse parity).",
    required: Some("operation = { parity = 3, bits = 40, samples = 2000, seed = 0 }"),
    fields: &[&RELEVANT, &BITS, &SAMPLES, &SAMPLES_SEED],
};

static RELEVANT: Integer = Integer {
    path: "operation.parity",
    about: "How many of the bits the label is the parity of: the first ones.",
    min: 1,
    max: MAX_BITS as u64,
    presence: Presence::Required("parity = 3"),
};

static BITS: Integer = Integer {
    path: "operation.bits",
    about: "The bits of a sample, which are its operands.",
    min: 1,
    max: MAX_BITS as u64,
    presence: Presence::Required("bits = 40"),
};

static SAMPLES: Integer = Integer {
    path: "operation.samples",
    about: "How many samples are drawn, to be trained and tested on.",
    min: 2,
    max: 1 << 28,
    presence: Presence::Required("samples = 2000"),
};

static SAMPLES_SEED: Seed = Seed {
    path: "operation.seed",
    about: "The seed of the samples; that of their split is seeds.data.",
    required: "seed = 0",
};

impl Field for OperationField {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        Some(self.example)
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "anyOf": [
                {
                    "type": "string",
                    "minLength": 1,
                    "examples": Operation::names().collect::<Vec<_>>(),
                },
                GROUP.schema(),
                TABLE.schema(),
                PARITY.schema(),
            ],
        })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }
}

impl Element for OperationField {
    type Out = Operation;

    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
        match &node.value {
            Value::String(text) => expression(text, node, reader),
            Value::Table(entries) if entries.iter().any(|entry| entry.key == "table") => {
                table(node, reader)
            }
            Value::Table(entries) if entries.iter().any(|entry| entry.key == "parity") => {
                parity(node, reader)
            }
            Value::Table(_) => group(node, reader),
            _ => {
                let expected = "the name of an operation, an expression in `a` and `b`, a group, a \
                                table or a parity as in { group = \"S5\" }, { table = \"t.csv\" } \
                                and { parity = 3, bits = 40, samples = 2000, seed = 0 }, or a list";
                wrong_type(self.path, Want::Text, expected, node, reader);
                None
            }
        }
    }
}

fn expression(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
    match Operation::parse(text) {
        Ok(operation) => Some(operation),
        Err(error) => {
            let span = inside(node.span, text, error.span, reader.sources);
            let diagnostic = reader.report.error(span, error.message);
            diagnostic.label(format!("expected {}", error.expected));
            if let Some(help) = error.help {
                diagnostic.add_help(help);
            }
            None
        }
    }
}

fn group(node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
    let section = Section::open(&GROUP, Some(node), reader);
    let order = section.read(&ORDER, reader);
    let name = section.node(&NAME)?;
    let text = NAME.read(name, reader)?;
    match Operation::group(text, order) {
        Ok(operation) => Some(operation),
        Err(error) => {
            let span = inside(name.span, text, error.span, reader.sources);
            let diagnostic = reader.report.error(span, error.message);
            diagnostic.label(format!("expected {}", error.expected));
            if let Some(help) = error.help {
                diagnostic.add_help(help);
            }
            None
        }
    }
}

fn parity(node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
    let section = Section::open(&PARITY, Some(node), reader);
    let mut number = |field: &'static Integer| {
        let node = section.node(field)?;
        field
            .check(node, reader)
            .and_then(|n| usize::try_from(n).ok())
    };
    let [relevant, bits, samples] = [&RELEVANT, &BITS, &SAMPLES].map(&mut number);
    let seed = SAMPLES_SEED.element(section.node(&SAMPLES_SEED)?, reader)?;
    match SparseParity::new(bits?, relevant?, samples?, seed) {
        Ok(parity) => Some(Operation::parity(parity)),
        Err(error) => {
            let diagnostic = reader.report.error(node.span, error.to_string());
            diagnostic.label("expected numbers that fit each other");
            None
        }
    }
}

fn table(node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
    let section = Section::open(&TABLE, Some(node), reader);
    let file = section.node(&FILE)?;
    let path = FILE.read(file, reader)?;
    let read = match section.node(&CSV) {
        Some(csv) => Ok(CSV.read(csv, reader)?.as_bytes().to_vec()),
        None => reader.files.read(path),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(why) => {
            let problem = format!("the table {path:?} cannot be read: {why}");
            let diagnostic = reader.report.error(file.span, problem);
            diagnostic.label("expected a file in the folder of the spec");
            return None;
        }
    };
    let stem = std::path::Path::new(path).file_stem();
    let name = stem.and_then(|stem| stem.to_str()).unwrap_or("table");
    match Operation::table_from_bytes(name, &bytes) {
        Ok(operation) => Some(operation),
        Err(error) => {
            let TableError { message, .. } = &error;
            let problem = format!("the table {path:?}: {message}");
            let diagnostic = reader.report.error(file.span, problem);
            diagnostic.label(format!("{}: expected {}", error.place, error.expected));
            None
        }
    }
}

impl Point for Operation {
    fn toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        if let Some(group) = self.as_group() {
            let order = quoted(group.element_order().name());
            return format!("{{ group = {}, order = {order} }}", quoted(group.name()));
        }
        if let Some(parity) = self.as_parity() {
            return format!(
                "{{ parity = {}, bits = {}, samples = {}, seed = {} }}",
                parity.relevant(),
                parity.bits(),
                parity.samples(),
                parity.seed()
            );
        }
        let Some(table) = self.as_table() else {
            return quoted(self.text());
        };
        let size = table.size();
        let mut csv = String::new();
        for a in 0..size {
            let row = (0..size).map(|b| table.value(a, b).map_or(String::new(), |r| r.to_string()));
            csv.push_str(&row.collect::<Vec<_>>().join(","));
            csv.push('\n');
        }
        let file = quoted(&format!("{}.csv", self.table_name().unwrap_or("table")));
        format!("{{ table = {file}, csv = {} }}", quoted_on_one_line(&csv))
    }
}

/// Returns a text in quotes, with its line ends as escapes.
fn quoted_on_one_line(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

/// Returns the span of the bytes `range` of the string `value`, written at `node`. The span is all
/// of `node` if the string has escapes, since the bytes of the value are then not those of the
/// text.
fn inside(node: Span, value: &str, range: std::ops::Range<usize>, sources: &Sources) -> Span {
    let quotes = match sources.text(node).find(value) {
        Some(quotes) if !value.is_empty() => quotes,
        _ => return node,
    };
    let start = node.start() + quotes;
    sources.span(node.source(), start + range.start..start + range.end)
}
