use std::num::NonZeroU64;

use super::*;
use crate::torch::Generator;

/// XOR on two bits.
const XOR: [u32; 4] = [0, 1, 1, 0];

fn xor() -> TableOperation {
    TableOperation::from_square(&XOR, 2).unwrap()
}

fn csv(text: &str) -> TableOperation {
    TableOperation::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Returns the bytes that NumPy writes for an array of this kind and shape.
fn npy(kind: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = [MAGIC_1_0, &(header.len() as u16).to_le_bytes()].concat();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

const MAGIC_1_0: &[u8] = b"\x93NUMPY\x01\x00";

fn le_bytes(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

#[test]
fn a_square_is_its_results() {
    let table = xor();
    assert_eq!([table.size(), table.defined() as u32], [2, 4]);
    for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        assert_eq!(table.value(a, b), Some(a ^ b));
    }
    for (a, b) in [(2, 0), (0, 2), (u32::MAX, u32::MAX)] {
        assert_eq!(table.value(a, b), None);
    }
}

#[test]
fn all_forms_of_a_table_are_one_table() {
    for text in [
        "0,1\n1,0\n",
        "0,1\r\n1,0",
        "\u{feff} 0 , 1 \n\n1,0\n\n",
        "a,b,c\n0,0,0\n0,1,1\n1,0,1\n1,1,0",
        "\"a\",\"b\",\"a*b\"\n1,1,0\n0,0,0\n0,1,1\n1,0,1",
        "0,0,0\n0,1,1\n1,0,1\n1,1,0",
    ] {
        assert_eq!(csv(text), xor(), "{text:?}");
    }
    let rows = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]];
    assert_eq!(TableOperation::from_columns(&rows).unwrap(), xor());
    for bytes in [
        npy("<i8", "False", "(2, 2)", &le_bytes(&[0, 1, 1, 0])),
        npy("<u8", "True", "(2, 2)", &le_bytes(&[0, 1, 1, 0])),
        npy("|u1", "False", "(2, 2)", &[0, 1, 1, 0]),
        npy(
            "|i1",
            "False",
            "(4,3)",
            &[0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0],
        ),
        npy("<i2", "False", "(2,2)", &[0, 0, 1, 0, 1, 0, 0, 0]),
        // The order is column by column: all a, then all b, then all results.
        npy(
            "|i1",
            "True",
            "(4, 3)",
            &[0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0],
        ),
    ] {
        assert_eq!(TableOperation::read(&bytes).unwrap(), xor());
    }
}

#[test]
fn files_of_later_format_versions_have_a_longer_length() {
    let header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }\n";
    let mut bytes = b"\x93NUMPY\x03\x00".to_vec();
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header);
    bytes.extend([0_u32, 1, 1, 0].iter().flat_map(|n| n.to_le_bytes()));
    assert_eq!(TableOperation::read(&bytes).unwrap(), xor());
}

#[test]
fn pairs_without_a_result_are_undefined() {
    let partial = [
        csv("0,1\n1,"),
        csv("a,b,c\n0,0,0\n0,1,1\n1,0,1\n"),
        TableOperation::read(&npy("<i8", "False", "(2, 2)", &le_bytes(&[0, 1, 1, -1]))).unwrap(),
    ];
    for table in &partial {
        assert_eq!(table, &partial[0]);
        assert_eq!(table.defined(), 3);
        assert_eq!([table.value(1, 0), table.value(1, 1)], [Some(1), None]);
    }
    assert_ne!(partial[0].hash(), xor().hash());
}

#[test]
fn three_rows_of_three_columns_are_a_square_unless_they_are_named() {
    let rows = "0,0,0\n0,1,1\n1,0,2\n";
    assert_eq!(csv(rows).defined(), 9);
    assert_eq!(csv(&format!("a,b,result\n{rows}")).defined(), 3);
}

/// The hash is pinned, since folders of earlier runs are named after it.
#[test]
fn the_hash_of_a_content_stays() {
    let hash = "894698589566e95b4945193d72921c0553ed007206c55baee472fa141d632ca2";
    assert_eq!(&*xor().hash().to_hex(), hash);
    assert!(format!("{:?}", xor()).contains(hash));
}

#[test]
fn mistakes_are_reported_with_their_place() {
    for (text, message) in [
        ("", "the table is empty; expected a square table"),
        ("a,b,c\n", "the table is empty"),
        ("0", "the table has 1 element; expected 2 to 5040 elements"),
        (
            "0,1",
            "the table has 1 row and 2 columns; expected as many rows as columns",
        ),
        (
            "0,1\n1",
            "line 2: 1 cell; expected 2, as the first line has",
        ),
        (
            "a,b,c\n0,1",
            "line 2: 2 cells; expected 3, as the line of names has",
        ),
        (
            "0,1\n\n1,2",
            "line 3, column 2: 2 is no element; expected an integer from 0 to 1",
        ),
        ("0,1\n1,-1", "line 2, column 2: -1 is no element"),
        ("0,1\n1,x", "line 2, column 2: `x` is no integer"),
        (
            "a,b\n0,1",
            "line 1, column 1: `a` is no integer; expected an integer; only a table of three columns",
        ),
        (
            "0;1\n1;0",
            "line 1, column 1: `0;1` is no integer; expected an integer, and commas",
        ),
        ("0.5,1\n1,0", "line 1, column 1: `0.5` is no integer"),
        (
            "a,b,c\n0,0,9999",
            "line 2, column 3: 9999 is no element; expected an integer from 0",
        ),
        (
            "a,b,c\n0,0,0\n0,0,1",
            "line 3, column 1: the pair (0, 0) has a second row",
        ),
        ("a,b,c\n0,,0", "line 2, column 2: a number is missing"),
        (",\n,", "the table has no result"),
        ("99999999999999999999,0\n0,0", "is no integer"),
    ] {
        let error = TableOperation::read(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{text:?}: {error}");
    }
    let error = TableOperation::read(b"0,1\n\xff,0")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("line 2: the table is no text"), "{error}");
    let error = TableOperation::from_square(&[0, 1, 2], 2)
        .unwrap_err()
        .to_string();
    assert!(error.contains("2 elements has 3 results"), "{error}");
    let error = TableOperation::from_square(&[0, 1, 2, 0], 2)
        .unwrap_err()
        .to_string();
    assert!(error.contains("entry [1, 0]: 2 is no element"), "{error}");
    assert!(TableOperation::from_square(&[], u32::MAX).is_err());
    assert!(TableOperation::from_columns(&[[u32::MAX, 0, 0]]).is_err());
}

#[test]
fn arrays_that_are_no_tables_are_refused() {
    let data = le_bytes(&[0, 1, 1, 0]);
    for (bytes, message) in [
        (
            npy("<f8", "False", "(2, 2)", &data),
            "the entries are `<f8`",
        ),
        (
            npy(">i8", "False", "(2, 2)", &data),
            "the entries are `>i8`",
        ),
        (npy("<i8", "False", "(4,)", &data), "another shape"),
        (npy("<i8", "False", "(1, 2, 2)", &data), "another shape"),
        (npy("<i8", "False", "(2, 3)", &data), "shorter or longer"),
        (
            npy("<i8", "False", "(18446744073709551615, 2)", &data),
            "shorter or longer",
        ),
        (
            npy("<i8", "False", "(18446744073709551615, 0)", &[]),
            "the table is empty",
        ),
        (
            npy("<u8", "False", "(2, 2)", &le_bytes(&[0, 1, 1, -1])),
            "entry [1, 1]",
        ),
        (MAGIC_1_0.to_vec(), "cut off"),
        (b"\x93NUMPY".to_vec(), "cut off"),
        ([MAGIC_1_0, b"\xff\xff"].concat(), "cut off"),
    ] {
        let error = TableOperation::read(&bytes).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
}

/// Tests texts and arrays, most of them wrong: nothing panics, and what can be read is a table.
#[test]
fn random_bytes() {
    const PIECES: [&[u8]; 16] = [
        b"0",
        b"1",
        b"2",
        b",",
        b",",
        b"\n",
        b"\n",
        b" ",
        b"-1",
        b"a,b,c\n",
        b"\xff",
        b"\r",
        b"\xef\xbb\xbf",
        b"4294967296",
        b"0,1\n1,0\n",
        b"0,0,1\n",
    ];
    let mut generator = Generator::new(3);
    let mut below = |n: usize| {
        let bound = NonZeroU64::new(n as u64).unwrap();
        generator.random_below(bound) as usize
    };
    let mut tables = 0;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..below(12))
            .flat_map(|_| PIECES[below(16)].to_vec())
            .collect();
        tables += u32::from(TableOperation::read(&bytes).is_ok());
    }
    assert!(tables > 200, "{tables}");
    let whole = npy(
        "<i4",
        "False",
        "(2, 2)",
        &[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    );
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + below(3) {
            let place = below(bytes.len());
            bytes[place] = below(256) as u8;
        }
        bytes.truncate(below(whole.len() * 2));
        let _ = TableOperation::read(&bytes);
    }
}
