//! TFRecord: how event files hold their messages.
//!
//! ```text
//! u64    length of the message, little-endian
//! u32    masked CRC-32C of those eight bytes
//! ...    the message
//! u32    masked CRC-32C of it
//! ```
//!
//! A masked sum is ((crc >> 15) | (crc << 17)) + 0xa282ead8. The polynomial is Castagnoli's,
//! another than that of zip archives.

use std::io::{self, Write};

/// Writes a message.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(out: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = (message.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(message)?;
    out.write_all(&masked(message).to_le_bytes())
}

pub(super) fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The sum of each byte, by the reflected polynomial.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
    })
}
