//! Runs the stack machine of a pickle.

use super::global::{find, unknown};
use super::value::{Object, Pickle, Value};
use super::{Global, op};
use crate::ExchangeError;
use crate::error::refuse;

/// The most values that a pickle may make. The published files have some 200,000.
const MOST_VALUES: usize = 8 << 20;

/// Reads a pickle.
///
/// # Errors
/// If an opcode or a name is not on the lists, the stack does not work out, a view lies outside its
/// storage, or there are too many values.
pub(crate) fn parse(bytes: Vec<u8>) -> Result<Pickle, ExchangeError> {
    let mut machine = Machine {
        pickle: Pickle {
            bytes,
            tuples: Vec::new(),
            lists: Vec::new(),
            dicts: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            objects: Vec::new(),
            root: Value::None,
        },
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        made: 0,
    };
    match machine.run() {
        Ok(()) => Ok(machine.pickle),
        Err(error) => refuse(format!(
            "its pickle cannot be read at byte {}: {error}",
            machine.at
        )),
    }
}

pub(super) struct Machine {
    pub(super) pickle: Pickle,
    at: usize,
    stack: Vec<Value>,
    /// heights of the stack at the marks
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// number of values made so far
    made: usize,
}

pub(super) type Done = Result<(), ExchangeError>;

impl Machine {
    fn run(&mut self) -> Done {
        loop {
            let [code] = self.take()?;
            match code {
                op::PROTO => {
                    let [version] = self.take()?;
                    if version > 5 {
                        return refuse(format!("it is of protocol {version}; expected 2 to 5"));
                    }
                }
                op::FRAME => drop(self.take::<8>()?),
                op::STOP => {
                    self.pickle.root = self.pop()?;
                    return if self.stack.is_empty() && self.marks.is_empty() {
                        Ok(())
                    } else {
                        refuse("it ends with values that belong to nothing")
                    };
                }
                op::MARK => {
                    self.count()?;
                    self.marks.push(self.stack.len());
                }
                op::POP => match self.marks.last() {
                    Some(mark) if *mark == self.stack.len() => drop(self.marks.pop()),
                    _ => drop(self.pop()?),
                },
                op::POP_MARK => {
                    let mark = self.mark()?;
                    self.stack.truncate(mark);
                }
                op::DUP => {
                    let top = self.top()?;
                    self.push(top)?;
                }
                op::BINPUT => {
                    let [place] = self.take()?;
                    self.put(usize::from(place))?;
                }
                op::LONG_BINPUT => {
                    let place = u32::from_le_bytes(self.take()?);
                    self.put(place as usize)?;
                }
                op::MEMOIZE => self.put(self.memo.len())?,
                op::BINGET => {
                    let [place] = self.take()?;
                    self.get(usize::from(place))?;
                }
                op::LONG_BINGET => {
                    let place = u32::from_le_bytes(self.take()?);
                    self.get(place as usize)?;
                }
                op::APPEND => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                op::APPENDS => {
                    let items = self.popped()?;
                    self.append(&items)?;
                }
                op::SETITEM => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                op::SETITEMS => {
                    let items = self.popped()?;
                    self.set(&items)?;
                }
                op::REDUCE => self.reduce()?,
                op::NEWOBJ => {
                    let arguments = self.pop()?;
                    let value = match self.pop()? {
                        Value::Global(global @ Global::Config) => self.object(global, arguments),
                        other => return refuse(format!("{other:?} cannot be made an object of")),
                    };
                    self.push(value)?;
                }
                op::BUILD => self.build()?,
                op::BINPERSID => self.storage()?,
                op::GLOBAL => {
                    let [module, name] = [self.line()?, self.line()?];
                    let known = find(&module, &name);
                    let Some(global) = known else {
                        return refuse(unknown(&module, &name));
                    };
                    self.push(Value::Global(global))?;
                }
                op::STACK_GLOBAL => {
                    let [name, module] = [self.pop()?, self.pop()?];
                    let texts = self.pickle.text(module).zip(self.pickle.text(name));
                    let Some((module, name)) = texts else {
                        return refuse("it has a name that is no text");
                    };
                    let Some(global) = find(module, name) else {
                        return refuse(unknown(module, name));
                    };
                    self.push(Value::Global(global))?;
                }
                _ => {
                    let value = self.plain(code)?;
                    self.push(value)?;
                }
            }
        }
    }

    /// Runs an opcode that pushes one value of its own.
    fn plain(&mut self, code: u8) -> Result<Value, ExchangeError> {
        Ok(match code {
            op::NONE => Value::None,
            op::NEWTRUE => Value::Bool(true),
            op::NEWFALSE => Value::Bool(false),
            op::BININT => Value::Int(i32::from_le_bytes(self.take()?).into()),
            op::BININT1 => Value::Int(u8::from_le_bytes(self.take()?).into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.take()?).into()),
            op::LONG1 => {
                let [len] = self.take()?;
                if len > 8 {
                    return refuse(format!(
                        "it has an integer of {len} bytes; expected at most 8"
                    ));
                }
                let bytes = self.skip(usize::from(len))?;
                let bytes = &self.pickle.bytes[bytes.0 as usize..][..bytes.1 as usize];
                let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
                let mut whole = [if negative { 0xff } else { 0 }; 8];
                whole[..bytes.len()].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            op::BINFLOAT => Value::Float(f64::from_be_bytes(self.take()?)),
            op::BINUNICODE | op::BINSTRING => {
                let len = u32::from_le_bytes(self.take()?);
                self.of_text(len as usize)?
            }
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                let [len] = self.take()?;
                self.of_text(usize::from(len))?
            }
            op::BINBYTES => {
                let len = u32::from_le_bytes(self.take()?);
                let (start, len) = self.skip(len as usize)?;
                Value::Bytes(start, len)
            }
            op::BINBYTES8 | op::BYTEARRAY8 => {
                let len = u64::from_le_bytes(self.take()?);
                let (start, len) = self.skip(usize::try_from(len).unwrap_or(usize::MAX))?;
                Value::Bytes(start, len)
            }
            op::SHORT_BINBYTES => {
                let [len] = self.take()?;
                let (start, len) = self.skip(usize::from(len))?;
                Value::Bytes(start, len)
            }
            op::EMPTY_LIST => {
                self.pickle.lists.push(Vec::new());
                Value::List((self.pickle.lists.len() - 1) as u32)
            }
            op::EMPTY_DICT => self.dict(),
            op::EMPTY_TUPLE => self.tuple(Vec::new()),
            op::TUPLE => {
                let items = self.popped()?;
                self.tuple(items)
            }
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let len = usize::from(code - op::TUPLE1 + 1);
                let mut items = Vec::with_capacity(len);
                for _ in 0..len {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.tuple(items)
            }
            other => {
                return refuse(format!(
                    "it has an opcode {other:#04x}, which torch.save does not write"
                ));
            }
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ExchangeError> {
        let rest = self.pickle.bytes.get(self.at..).unwrap_or(&[]);
        let Some(bytes) = rest.first_chunk::<N>().copied() else {
            return refuse("it is cut off");
        };
        self.at += N;
        Ok(bytes)
    }

    /// Skips the next `len` bytes and returns their start and length.
    fn skip(&mut self, len: usize) -> Result<(u32, u32), ExchangeError> {
        let start = self.at;
        match start.checked_add(len) {
            Some(end) if end <= self.pickle.bytes.len() => {
                self.at = end;
                Ok((start as u32, len as u32))
            }
            _ => refuse("it is cut off"),
        }
    }

    fn of_text(&mut self, len: usize) -> Result<Value, ExchangeError> {
        let (start, len) = self.skip(len)?;
        match self.pickle.slice(start, len) {
            Some(_) => Ok(Value::Text(start, len)),
            None => refuse("it has a text that is not UTF-8"),
        }
    }

    /// Returns the text up to the end of the line, at most 200 bytes.
    fn line(&mut self) -> Result<String, ExchangeError> {
        let rest = &self.pickle.bytes[self.at..];
        let end = rest.iter().take(200).position(|byte| *byte == b'\n');
        let Some(line) = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()) else {
            return refuse("it has a name without an end");
        };
        let line = line.to_owned();
        self.at += line.len() + 1;
        Ok(line)
    }

    fn count(&mut self) -> Done {
        self.made += 1;
        if self.made > MOST_VALUES {
            refuse(format!("it has more than {MOST_VALUES} values"))
        } else {
            Ok(())
        }
    }

    pub(super) fn push(&mut self, value: Value) -> Done {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Value, ExchangeError> {
        self.top()?;
        match self.stack.pop() {
            Some(value) => Ok(value),
            None => refuse("it takes a value where there is none"),
        }
    }

    /// Returns the uppermost value above the last mark.
    pub(super) fn top(&self) -> Result<Value, ExchangeError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(value) if self.stack.len() > floor => Ok(*value),
            _ => refuse("it takes a value where there is none"),
        }
    }

    fn mark(&mut self) -> Result<usize, ExchangeError> {
        match self.marks.pop() {
            Some(mark) => Ok(mark),
            None => refuse("it ends something that was not begun"),
        }
    }

    /// Removes and returns the values above the last mark.
    fn popped(&mut self) -> Result<Vec<Value>, ExchangeError> {
        let mark = self.mark()?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, place: usize) -> Done {
        let value = self.top()?;
        if place < self.memo.len() {
            self.memo[place] = value;
        } else if place <= self.made {
            // Pickles number their memo upwards; a place above the number of values is damage.
            self.count()?;
            self.memo.resize(place, Value::None);
            self.memo.push(value);
        } else {
            return refuse("it remembers a value at a place it did not count to");
        }
        Ok(())
    }

    fn get(&mut self, place: usize) -> Done {
        match self.memo.get(place).copied() {
            Some(value) => self.push(value),
            None => refuse("it recalls a value that it did not remember"),
        }
    }

    fn append(&mut self, items: &[Value]) -> Done {
        match self.top()? {
            Value::List(list) => self.pickle.lists[list as usize].extend_from_slice(items),
            _ => return refuse("it appends to something that is no list"),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value]) -> Done {
        let (pairs, rest) = items.as_chunks::<2>();
        match (self.top()?, rest.is_empty()) {
            (Value::Dict(dict), true) => {
                let dict = &mut self.pickle.dicts[dict as usize];
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => refuse("it sets items of something that is no dictionary"),
        }
    }

    fn tuple(&mut self, items: Vec<Value>) -> Value {
        self.pickle.tuples.push(items.into());
        Value::Tuple((self.pickle.tuples.len() - 1) as u32)
    }

    pub(super) fn dict(&mut self) -> Value {
        self.pickle.dicts.push(Vec::new());
        Value::Dict((self.pickle.dicts.len() - 1) as u32)
    }

    pub(super) fn object(&mut self, global: Global, arguments: Value) -> Value {
        self.pickle.objects.push(Object {
            global,
            arguments,
            state: Value::None,
        });
        Value::Object((self.pickle.objects.len() - 1) as u32)
    }
}
