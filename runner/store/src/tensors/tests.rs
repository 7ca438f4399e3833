use std::fs;

use super::*;
use crate::Content;

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    let data = (0..n).map(|i| (i as f32 - 3.5) / 7.0).collect();
    Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data,
    }
}

fn model() -> Vec<Tensor> {
    vec![
        tensor("embed.W_E", &[6, 4]),
        tensor("blocks.0.attn.IGNORE", &[]),
        tensor("empty", &[0, 3]),
    ]
}

fn encoded() -> Vec<u8> {
    encode(entries(&model()), &[]).unwrap()
}

#[test]
fn tensors_come_back_by_name_bit_for_bit() {
    let mut want = model();
    want[0].data[..3].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, -0.0]);
    let contents = check(encode(entries(&want), &[]).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    let got = contents
        .parse()
        .unwrap_or_else(|e| panic!("{e}"))
        .tensors(None)
        .unwrap();
    want.sort_by(|a, b| a.name.cmp(&b.name));
    let bits = |tensors: &[Tensor]| -> Vec<_> {
        let bits = |t: &Tensor| t.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        tensors
            .iter()
            .map(|t| (t.name.clone(), t.shape.clone(), bits(t)))
            .collect()
    };
    assert_eq!(bits(&got), bits(&want));
}

#[test]
fn any_order_and_any_time_give_the_same_bytes() {
    let mut turned = model();
    turned.reverse();
    let first = encoded();
    assert!((0..20).all(|_| encode(entries(&turned), &[]).unwrap() == first));
}

/// The order, the offsets and the padding are the library's own.
#[test]
fn a_file_is_laid_out_as_the_library_does_it() {
    let model = model();
    let bytes = |t: &Tensor| {
        t.data
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let data: Vec<Vec<u8>> = model.iter().map(bytes).collect();
    let epochs = [7i64, 8].map(i64::to_le_bytes).concat();
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let mut views: Vec<_> = model
        .iter()
        .zip(&data)
        .map(|(t, data)| (t.name.as_str(), view(Dtype::F32, &t.shape, data)))
        .collect();
    views.push(("epochs", view(Dtype::I64, &[2], &epochs)));
    let metadata = [(seal::KEY.to_owned(), "0".repeat(64))].into();
    let want = safetensors::serialize(views, Some(metadata)).unwrap();

    let mut ours = entries(&model);
    ours.push(("epochs".into(), Entry::i64(&[7, 8])));
    let mut ours = encode(ours, &[]).unwrap();
    ours[DIGEST].fill(b'0');
    assert!(ours == want);
}

#[test]
fn numbers_from_elsewhere_give_the_file_that_those_in_memory_give() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    // More than a block, and not a whole number of them.
    let large = tensor("large", &[3, 12_345]);
    let from = |length: usize, bytes: usize| {
        let all: Vec<u8> = large.data.iter().flat_map(|x| x.to_le_bytes()).collect();
        let content = Content {
            length: length as u64,
            from: Box::new(io::Cursor::new(all).chain(&[1; 9][..]).take(bytes as u64)),
        };
        vec![("large".into(), Entry::f32_from(vec![3, 12_345], content))]
    };
    let length = 4 * large.data.len();
    write(&path, from(length, length), &[]).unwrap();
    let want = encode(entries(std::slice::from_ref(&large)), &[]).unwrap();
    assert!(fs::read(&path).unwrap() == want);

    for (said, there) in [(length, length - 1), (length, length + 1), (8, 8)] {
        assert!(
            write(&path, from(said, there), &[]).is_err(),
            "{said} {there}"
        );
        assert!(fs::read(&path).unwrap() == want, "the old file stays");
    }
}

#[test]
fn the_digest_is_the_one_the_documentation_describes() {
    let mut file = encoded();
    let header = String::from_utf8_lossy(&file).into_owned();
    let (before, rest) = header.split_once(r#""blake3":""#).unwrap();
    let (digest, _) = rest.split_once('"').unwrap();
    let at = before.len() + r#""blake3":""#.len();
    file[at..at + 64].fill(b'0');
    assert_eq!(digest, blake3::hash(&file).to_hex().as_str());
}

#[test]
fn any_changed_byte_and_any_cut_is_noticed() {
    let file = encoded();
    for at in 0..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(check(altered).is_err(), "byte {at}");
        assert!(check(file[..at].to_vec()).is_err(), "cut at {at}");
    }
    assert!(check([&file[..], &[0]].concat()).is_err(), "a byte more");
}

/// A file with a right digest may still be nonsense; the library must not panic on it.
#[test]
fn nonsense_under_a_right_digest_is_an_error() {
    let seal = |mut file: Vec<u8>| {
        file[DIGEST].fill(b'0');
        let digest = blake3::hash(&file).to_hex();
        file[DIGEST].copy_from_slice(digest.as_bytes());
        check(file).unwrap_or_else(|e| panic!("{e}"))
    };
    let file = encoded();
    for cut in [DIGEST.end, DIGEST.end + 10, file.len() - 1] {
        assert!(seal(file[..cut].to_vec()).parse().is_err(), "cut at {cut}");
    }
    let mut long = file.clone();
    long[..LENGTH].fill(0xff);
    assert!(seal(long).parse().is_err());
    let text = String::from_utf8_lossy(&file[..file.len() - 100]).replace("[6,4]", "[9,4]");
    assert!(seal(text.into_bytes()).parse().is_err());
}

#[test]
fn a_name_used_twice_or_a_wrong_shape_is_reported() {
    let twice = [tensor("W", &[1]), tensor("W", &[2])];
    assert!(
        encode(entries(&twice), &[])
            .unwrap_err()
            .contains("two tensors are named W")
    );
    let wrong = [Tensor {
        shape: vec![2, 2],
        ..tensor("W", &[3])
    }];
    assert!(encode(entries(&wrong), &[]).is_err());
}

#[test]
fn another_type_is_reported() {
    let file = encode(vec![("x".into(), Entry::i64(&[1, 2]))], &[]).unwrap();
    let contents = check(file).unwrap_or_else(|e| panic!("{e}"));
    let parsed = contents.parse().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(parsed.i64("x").unwrap(), [1, 2]);
    assert!(parsed.f64("x").unwrap_err().contains("I64"));
    assert!(parsed.u8("y").unwrap_err().contains("no tensor y"));
    assert!(parsed.tensors(None).unwrap_err().contains("expected F32"));
}

#[test]
fn notes_stand_in_the_metadata_and_under_the_digest() {
    let notes = [("precision", "f16".to_owned()), ("a \"b\"", "ü".to_owned())];
    let file = encode(entries(&model()), &notes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&file).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata.len(), 3);
    assert_eq!(metadata["precision"], "f16");
    assert_eq!(metadata["a \"b\""], "ü");
    let plain = check(encoded()).unwrap_or_else(|e| panic!("{e}"));
    for at in 0..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(check(altered).is_err(), "byte {at}");
    }
    let noted = check(file).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(noted.data(), plain.data());
    let tensors = |c: &Contents| c.parse().unwrap_or_else(|e| panic!("{e}")).tensors(None);
    assert_eq!(tensors(&noted).unwrap(), tensors(&plain).unwrap());
}

#[test]
fn a_file_says_in_its_header_how_long_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let file = encoded();
    for cut in [file.len(), file.len() - 1, file.len() / 2] {
        fs::write(&path, &file[..cut]).unwrap();
        let length = length_by_header(&path).unwrap();
        let within = u64::from_le_bytes(file[..8].try_into().unwrap()) + 8 <= cut as u64;
        assert_eq!(length.is_ok(), within, "{length:?}");
        assert!(!within || length == Ok(file.len() as u64));
    }
    fs::write(&path, [0xff; 30]).unwrap();
    assert!(length_by_header(&path).unwrap().is_err());
    fs::write(&path, [0; 3]).unwrap();
    assert!(length_by_header(&path).is_err());
}
