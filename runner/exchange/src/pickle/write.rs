//! Writes the values of a published file: dictionaries, lists, numbers, texts, tensors.
//!
//! Protocol 2, because `torch.load` takes it with `weights_only=True`, and every Python 3 does. The
//! caller opens and closes containers; names are memoized, so that a tensor takes some 80 bytes.

use serde_json::Value as Json;

use super::op;
use crate::array::{Array, Numbers};

/// The names in the memo, in the order of their places.
const NAMES: [&str; 6] = [
    "torch._utils\n_rebuild_tensor_v2\n",
    "collections\nOrderedDict\n",
    "torch\nFloatStorage\n",
    "torch\nDoubleStorage\n",
    "torch\nLongStorage\n",
    "torch\nBoolStorage\n",
];

/// A pickle that is being written.
pub(crate) struct Pickler {
    out: Vec<u8>,
    known: [bool; NAMES.len()],
    storages: u64,
}

impl Pickler {
    pub(crate) fn new() -> Pickler {
        Pickler {
            out: vec![op::PROTO, 2],
            known: [false; NAMES.len()],
            storages: 0,
        }
    }

    /// Ends the pickle and returns its bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(op::STOP);
        self.out
    }

    /// Writes a dictionary: `fill` writes keys and values in turn.
    pub(crate) fn dict(&mut self, fill: impl FnOnce(&mut Pickler)) {
        self.out.extend([op::EMPTY_DICT, op::MARK]);
        fill(self);
        self.out.push(op::SETITEMS);
    }

    /// Writes a list: `fill` writes its items.
    pub(crate) fn list(&mut self, fill: impl FnOnce(&mut Pickler)) {
        self.out.extend([op::EMPTY_LIST, op::MARK]);
        fill(self);
        self.out.push(op::APPENDS);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.out.push(op::BINUNICODE);
        self.out.extend((text.len() as u32).to_le_bytes());
        self.out.extend(text.as_bytes());
    }

    pub(crate) fn int(&mut self, x: i64) {
        match (u8::try_from(x), i32::try_from(x)) {
            (Ok(x), _) => self.out.extend([op::BININT1, x]),
            (_, Ok(x)) => {
                self.out.push(op::BININT);
                self.out.extend(x.to_le_bytes());
            }
            _ => {
                self.out.extend([op::LONG1, 8]);
                self.out.extend(x.to_le_bytes());
            }
        }
    }

    pub(crate) fn float(&mut self, x: f64) {
        self.out.push(op::BINFLOAT);
        self.out.extend(x.to_be_bytes());
    }

    /// Writes a list of floats.
    pub(crate) fn floats(&mut self, numbers: &[f64]) {
        self.list(|p| numbers.iter().for_each(|x| p.float(*x)));
    }

    /// Writes JSON as Python's own values.
    pub(crate) fn json(&mut self, json: &Json) {
        match json {
            Json::Null => self.out.push(op::NONE),
            Json::Bool(true) => self.out.push(op::NEWTRUE),
            Json::Bool(false) => self.out.push(op::NEWFALSE),
            Json::Number(x) => match x.as_i64() {
                Some(x) => self.int(x),
                None => self.float(x.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => self.text(text),
            Json::Array(items) => self.list(|p| items.iter().for_each(|item| p.json(item))),
            Json::Object(entries) => self.dict(|p| {
                for (key, value) in entries {
                    p.text(key);
                    p.json(value);
                }
            }),
        }
    }

    /// Writes a tensor whose numbers are the next storage's: the first is `data/0`.
    pub(crate) fn tensor(&mut self, array: &Array) {
        let storage = match array.numbers {
            Numbers::F32(_) => 2,
            Numbers::F64(_) => 3,
            Numbers::I64(_) => 4,
            Numbers::Bool(_) => 5,
        };
        self.name(0);
        self.out.extend([op::MARK, op::MARK]);
        self.text("storage");
        self.name(storage);
        let key = self.storages.to_string();
        self.storages += 1;
        self.text(&key);
        self.text("cpu");
        self.int(array.numbers.len() as i64);
        self.out.extend([op::TUPLE, op::BINPERSID]);
        self.int(0);
        let mut strides = vec![1i64; array.shape.len()];
        for i in (1..array.shape.len()).rev() {
            strides[i - 1] = strides[i] * array.shape[i] as i64;
        }
        let sizes: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
        for tuple in [sizes, strides] {
            self.out.push(op::MARK);
            tuple.into_iter().for_each(|x| self.int(x));
            self.out.push(op::TUPLE);
        }
        // requires_grad, and hooks: none.
        self.out.push(op::NEWFALSE);
        self.name(1);
        self.out.extend([op::EMPTY_TUPLE, op::REDUCE]);
        self.out.extend([op::TUPLE, op::REDUCE]);
    }

    fn name(&mut self, place: usize) {
        if self.known[place] {
            self.out.extend([op::BINGET, place as u8]);
        } else {
            self.known[place] = true;
            self.out.push(op::GLOBAL);
            self.out.extend(NAMES[place].as_bytes());
            self.out.extend([op::BINPUT, place as u8]);
        }
    }
}
