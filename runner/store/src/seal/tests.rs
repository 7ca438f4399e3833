use serde_json::json;

use super::*;

/// What a reader makes of each file that differs in one byte: an error, or what was written.
#[track_caller]
fn each_byte<T: PartialEq + std::fmt::Debug>(
    file: &[u8],
    want: &T,
    read: impl Fn(&[u8]) -> Result<T, String>,
) {
    assert_eq!(read(file).as_ref(), Ok(want));
    let mut noticed = 0;
    for at in 0..file.len() {
        for byte in 0..=255 {
            let mut changed = file.to_vec();
            changed[at] = byte;
            match read(&changed) {
                Ok(found) => assert_eq!(&found, want, "byte {at} is {byte}"),
                Err(_) => noticed += 1,
            }
        }
    }
    // All but those of the key, and each byte that was what it is.
    assert!(noticed > 255 * (file.len() - 12), "{noticed}");
}

#[test]
fn no_byte_of_a_json_file_can_change_what_is_read() {
    let value = json!({ "cell": "c", "list": [1, 2.5, "x"], "zero": {} });
    let list = json!([{ "cell": "a" }, { "cell": "b", "loss": 0.125 }]);
    for value in [value, list] {
        let file = to_json(&value).unwrap();
        each_byte(&file, &value, |file| {
            let mut found = from_json(file)?;
            // A key of the marker that is no longer one, which nobody asks for.
            let first = match &mut found {
                Value::Array(list) => &mut list[0],
                found => found,
            };
            let object = first.as_object_mut().unwrap();
            object.retain(|key, _| ["cell", "list", "zero", "loss"].contains(&key.as_str()));
            Ok(found)
        });
        for cut in 0..file.len() - 1 {
            assert!(from_json(&file[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn no_byte_of_a_toml_file_can_change_what_is_read() {
    let text = "name = \"r\"\n[train]\nepochs = 100\n";
    for text in [text.to_owned(), format!("\u{feff}{text}")] {
        let file = to_toml(&text, "import 12 ab");
        let want = (text, Some("import 12 ab".to_owned()));
        each_byte(&file, &want, |file| from_toml(file.to_vec()));
        for cut in 0..file.len() {
            let read = from_toml(file[..cut].to_vec());
            assert!(read.is_err(), "cut at {cut}: {read:?}");
        }
    }
}

#[test]
fn the_digest_is_the_one_the_documentation_describes() {
    let text = String::from_utf8(to_json(&json!({ "a": 1 })).unwrap()).unwrap();
    assert!(text.starts_with("{\n  \"blake3\": \"") && text.ends_with("\",\n  \"a\": 1\n}\n"));
    let digest = &text[15..79];
    let zeros = text.replace(digest, ZEROS);
    assert_eq!(digest, blake3::hash(zeros.as_bytes()).to_hex().as_str());

    let text = String::from_utf8(to_toml("a = 1", "ab")).unwrap();
    let line = text.strip_suffix(" of ab\na = 1").unwrap();
    let digest = line.strip_prefix("# blake3: ").unwrap();
    let zeros = text.replace(digest, ZEROS);
    assert_eq!(digest, blake3::hash(zeros.as_bytes()).to_hex().as_str());
}

#[test]
fn files_without_a_digest_are_read_as_they_are() {
    assert_eq!(from_json(b"{\"a\": 1}"), Ok(json!({ "a": 1 })));
    assert_eq!(from_json(b"[]"), Ok(json!([])));
    let whole = Ok(("a = 1".to_owned(), None));
    assert_eq!(from_toml(b"a = 1".to_vec()), whole);
    // One that has a digest, and does not say whose it is.
    let line = format!("# blake3: {ZEROS}\n");
    let digest = digest(format!("{line}a = 1").as_bytes());
    let file = format!("{}a = 1", line.replace(ZEROS, &digest));
    assert_eq!(from_toml(file.into_bytes()), whole);
    assert_eq!(check_parquet(b"PAR1"), Ok(false));
}

#[test]
fn what_another_program_has_written_again_is_noticed() {
    let file = to_json(&json!({ "a": 1 })).unwrap();
    let value: Value = serde_json::from_slice(&file).unwrap();
    let error = from_json(value.to_string().as_bytes()).unwrap_err();
    assert!(error.contains("another program"), "{error}");
    let mut text = b"b = 2\n".to_vec();
    text.extend(to_toml("a = 1", "ab"));
    assert!(from_toml(text).unwrap_err().contains("another program"));
}

#[test]
fn a_text_that_is_sealed_again_has_one_digest() {
    let once = to_toml("a = 1\n", "ab");
    let twice = to_toml(std::str::from_utf8(&once).unwrap(), "ab");
    assert!(once == twice);
    let of = Some("ab".to_owned());
    assert_eq!(from_toml(to_toml("", "ab")), Ok((String::new(), of)));
}
