//! Writes messages of Protocol Buffers, those parts of the wire form that events need: varints,
//! floats, doubles, and what has a length.

/// A message; fields follow each other in the order in which they are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// The wire types.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl Message {
    /// A field that is a whole number or a member of an enumeration.
    pub(super) fn int(mut self, field: u64, value: u64) -> Message {
        self.varint((field << 3) | VARINT);
        self.varint(value);
        self
    }

    /// A field that is a double.
    pub(super) fn double(mut self, field: u64, value: f64) -> Message {
        self.varint((field << 3) | EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field that is a float.
    pub(super) fn float(mut self, field: u64, value: f32) -> Message {
        self.varint((field << 3) | FOUR_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field that is a text or bytes.
    pub(super) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Message {
        let bytes = bytes.as_ref();
        self.varint((field << 3) | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// A field that is a message.
    pub(super) fn message(self, field: u64, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// The bytes so far.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
