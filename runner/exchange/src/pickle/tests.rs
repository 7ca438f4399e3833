use super::*;
use crate::array::{Array, Numbers};

fn refused(bytes: &[u8]) -> String {
    match parse(bytes.to_vec()) {
        Ok(pickle) => panic!("read as {:?}", pickle.root),
        Err(error) => error.to_string(),
    }
}

fn sample() -> Vec<u8> {
    let mut pickler = Pickler::new();
    pickler.dict(|p| {
        p.text("losses");
        p.floats(&[1.5, -0.25]);
        p.text("epochs");
        p.list(|p| {
            [0, 255, 256, -1, 1 << 40]
                .into_iter()
                .for_each(|x| p.int(x))
        });
        p.text("config");
        p.json(&serde_json::json!({"a": null, "b": [true, 0.5, "text"]}));
        for name in ["one", "two"] {
            p.text(name);
            p.tensor(&Array {
                name: name.to_owned(),
                shape: vec![2, 3],
                numbers: Numbers::F32(vec![0.0; 6]),
            });
        }
    });
    pickler.finish()
}

#[test]
fn what_is_written_is_read() {
    let pickle = parse(sample()).unwrap();
    let entries = pickle.entries(pickle.root).unwrap().unwrap();
    let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["losses", "epochs", "config", "one", "two"]);
    let list = |place: usize| pickle.items(entries[place].1).unwrap();
    assert_eq!(list(0), [Value::Float(1.5), Value::Float(-0.25)]);
    let whole = [0, 255, 256, -1, 1 << 40].map(Value::Int);
    assert_eq!(list(1), whole);
    let [one, two] = &pickle.tensors[..] else {
        panic!("two tensors");
    };
    assert_eq!(
        (one.shape.as_slice(), one.strides.as_slice()),
        (&[2, 3][..], &[3, 1][..])
    );
    let key = |t: &TensorRef| pickle.slice(t.storage.key.0, t.storage.key.1);
    assert_eq!((key(one), key(two)), (Some("0"), Some("1")));
}

#[test]
fn every_truncation_is_refused_and_no_change_panics() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(parse(bytes[..len].to_vec()).is_err(), "cut at {len}");
    }
    for at in 0..bytes.len() {
        for value in 0..=255 {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(pickle) = parse(changed) {
                let _ = pickle.entries(pickle.root);
            }
        }
    }
}

#[test]
fn names_that_are_not_on_the_list_are_refused_by_name() {
    let error = refused(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.");
    assert!(error.contains("os.system"), "{error}");
    let error = refused(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.");
    assert!(error.contains("builtins.eval"), "{error}");
    let error = refused(b"\x80\x02ctorch.storage\n_load_from_bytes\n.");
    assert!(error.contains("_load_from_bytes"), "{error}");
    let error = refused(b"\x80\x02cevil.transformer_lens\nHookedTransformerConfig\n.");
    assert!(error.contains("evil"), "{error}");
    // Opcodes that would import or call by other ways: INST, OBJ, EXT1, NEWOBJ_EX, REDUCE of a
    // list.
    for code in [
        &b"ios\nsystem\n."[..],
        b"(o.",
        b"\x82\x01.",
        b"))}\x92.",
        b"])R.",
    ] {
        refused(&[b"\x80\x02", code].concat());
    }
}

#[test]
fn nesting_as_deep_as_the_file_is_long_is_read() {
    let depth = 1_000_000;
    let mut bytes = b"\x80\x02".to_vec();
    bytes.extend(b"]".repeat(depth));
    bytes.extend(b"a".repeat(depth - 1));
    bytes.push(b'.');
    assert_eq!(parse(bytes).unwrap().lists.len(), depth);
    let error = refused(&[b"\x80\x02".as_slice(), &b"(".repeat(9 << 20)].concat());
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn a_list_in_itself_is_just_an_index() {
    let pickle = parse(b"\x80\x02]q\0h\0a.".to_vec()).unwrap();
    assert_eq!(pickle.root, Value::List(0));
    assert_eq!(pickle.lists[0], [Value::List(0)]);
    // A tower of pairs of the one below: as large as the file, not two to its power.
    let mut bytes = b"\x80\x02Nq\0".to_vec();
    for _ in 0..1000 {
        bytes.extend(b"h\0h\0\x86q\0");
    }
    bytes.extend(b"t.");
    let error = refused(&bytes);
    assert!(
        error.contains("not begun") || error.contains("belong"),
        "{error}"
    );
}

#[test]
fn memory_is_not_had_by_asking() {
    let error = refused(b"\x80\x02Nr\xff\xff\xff\x0f.");
    assert!(error.contains("did not count to"), "{error}");
    assert!(refused(b"\x80\x02X\xff\xff\xff\xffab.").contains("cut off"));
    assert!(refused(b"\x80\x02\x8a\xff.").contains("255 bytes"));
    assert!(refused(b"\x80\x02h\x05.").contains("did not remember"));
    assert!(
        refused(&[b"\x80\x02".as_slice(), &b"N".repeat(9 << 20)].concat()).contains("more than")
    );
}

/// A tensor of these sizes and strides over six numbers.
fn tensor(offset: i64, sizes: &[i64], strides: &[i64]) -> Result<Pickle, crate::ExchangeError> {
    let mut out = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ".to_vec();
    let int = |out: &mut Vec<u8>, x: i64| {
        out.extend([op::LONG1, 8]);
        out.extend(x.to_le_bytes());
    };
    int(&mut out, offset);
    for tuple in [sizes, strides] {
        out.push(b'(');
        tuple.iter().for_each(|x| int(&mut out, *x));
        out.push(b't');
    }
    out.extend(b"\x89NtR.");
    parse(out)
}

#[test]
fn views_outside_their_storage_and_huge_shapes_are_refused() {
    for (offset, sizes, strides) in [
        (0, &[2, 3][..], &[3, 1][..]),
        (0, &[2, 3], &[1, 2]),
        (5, &[], &[]),
        (0, &[0, 1 << 40], &[1, 1]),
    ] {
        assert!(tensor(offset, sizes, strides).is_ok(), "{sizes:?}");
    }
    for (offset, sizes, strides) in [
        (0, &[7][..], &[1][..]),
        (1, &[6], &[1]),
        (6, &[], &[]),
        (-1, &[2], &[1]),
        (0, &[-2], &[1]),
        (0, &[1 << 40], &[0]),
        (0, &[3, 3], &[1, 1]),
        (0, &[i64::MAX, i64::MAX], &[i64::MAX, i64::MAX]),
        (i64::MAX, &[2], &[i64::MAX]),
        (0, &[2], &[1, 1]),
        (0, &[1; 9], &[1; 9]),
    ] {
        assert!(
            tensor(offset, sizes, strides).is_err(),
            "{sizes:?} {strides:?}"
        );
    }
}

#[test]
fn a_key_twice_is_refused() {
    let pickle = parse(b"\x80\x02}(X\x01\0\0\0aK\x01X\x01\0\0\0aK\x02u.".to_vec()).unwrap();
    let error = pickle.entries(pickle.root).unwrap_err().to_string();
    assert!(error.contains("has a twice"), "{error}");
}
