use std::io::Cursor;

use super::*;

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (name, data) in entries {
        writer.add(name, data).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn small() -> Vec<u8> {
    archive(&[
        ("a/data.pkl", b"hello"),
        ("a/data/0", &[7; 100]),
        ("empty", b""),
    ])
}

fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>, String> {
    Archive::open(Cursor::new(bytes)).map_err(|e| e.to_string())
}

#[test]
fn entries_come_back_and_their_data_are_aligned() {
    let bytes = small();
    let mut archive = open(&bytes).unwrap();
    assert_eq!(
        archive.names().collect::<Vec<_>>(),
        ["a/data.pkl", "a/data/0", "empty"]
    );
    assert_eq!(archive.read("a/data.pkl", 5).unwrap(), b"hello");
    assert_eq!(archive.read("empty", 5).unwrap(), b"");
    let at = bytes.windows(5).position(|w| w == b"hello").unwrap();
    assert_eq!(at % 64, 0);
    let at = bytes.windows(100).position(|w| w == [7; 100]).unwrap();
    assert_eq!(at % 64, 0);
    let error = archive.read("a/data/0", 99).unwrap_err().to_string();
    assert!(
        error.contains("has 100 bytes; expected at most 99"),
        "{error}"
    );
}

#[test]
fn more_entries_than_sixteen_bits_count_go_into_zip64() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for i in 0..70_000u32 {
        writer.add(&i.to_string(), &[]).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(open(&bytes).unwrap().names().count(), 70_000);
}

#[test]
fn a_place_above_four_gigabytes_is_read_from_zip64() {
    let mut extra = vec![9, 0, 1, 0, 5, 1, 0, 16, 0];
    extra.extend(7_000_000_000u64.to_le_bytes());
    extra.extend(8_000_000_000u64.to_le_bytes());
    let maximum = u64::from(u32::MAX);
    let (mut len, mut packed, mut header) = (maximum, 12, maximum);
    zip64_of(&extra, [&mut len, &mut packed, &mut header]);
    assert_eq!((len, packed, header), (7_000_000_000, 12, 8_000_000_000));
}

fn zip64_of(extra: &[u8], fields: [&mut u64; 3]) {
    read::zip64(extra, fields).unwrap();
}

#[test]
fn every_truncation_is_refused() {
    let bytes = small();
    for len in 0..bytes.len() {
        assert!(open(&bytes[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn names_used_twice_and_entries_over_each_other_are_refused() {
    let error = open(&archive(&[("x", b"1"), ("x", b"2")])).unwrap_err();
    assert!(error.contains("two of its entries are named x"), "{error}");

    // Gives the second entry the place of the first.
    let mut bytes = archive(&[("x", &[0; 9]), ("y", &[0; 9])]);
    let at = bytes
        .windows(4)
        .rposition(|w| w == CENTRAL.to_le_bytes())
        .unwrap();
    bytes[at + 42..at + 46].fill(0);
    bytes[at + CENTRAL_LEN] = b'x';
    assert!(open(&bytes).unwrap_err().contains("two of its entries"));
    bytes[at + CENTRAL_LEN] = b'y';
    assert!(
        open(&bytes)
            .unwrap_err()
            .contains("not where the directory")
    );

    // Lets the first entry reach over the second.
    let mut bytes = archive(&[("x", &[0; 9]), ("y", &[0; 9])]);
    let at = bytes
        .windows(4)
        .position(|w| w == CENTRAL.to_le_bytes())
        .unwrap();
    bytes[at + 20] = 60;
    bytes[at + 24] = 60;
    let error = open(&bytes).unwrap_err();
    assert!(error.contains("lie over each other"), "{error}");
}

#[test]
fn compressed_entries_and_sizes_beyond_the_file_are_refused() {
    let edit = |offset: usize, value: u8| {
        let mut bytes = small();
        let at = bytes
            .windows(4)
            .position(|w| w == CENTRAL.to_le_bytes())
            .unwrap();
        bytes[at + offset] = value;
        open(&bytes).unwrap_err()
    };
    assert!(edit(10, 8).contains("compressed (method 8)"));
    assert!(edit(8, 1).contains("encrypted"));
    assert!(edit(27, 0x7f).contains("should have"));
    let mut bytes = small();
    let at = bytes
        .windows(4)
        .position(|w| w == CENTRAL.to_le_bytes())
        .unwrap();
    for offset in [23, 27] {
        bytes[at + offset] = 0x7f;
    }
    assert!(open(&bytes).unwrap_err().contains("does not fit the file"));
}

#[test]
fn a_changed_byte_of_data_is_noticed() {
    let mut bytes = small();
    let at = bytes.windows(5).position(|w| w == b"hello").unwrap();
    bytes[at] ^= 1;
    let error = open(&bytes)
        .unwrap()
        .read("a/data.pkl", 9)
        .unwrap_err()
        .to_string();
    assert!(error.contains("check sum"), "{error}");
}
