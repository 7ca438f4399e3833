use super::*;
use crate::tensors::{check, encode};

/// A file of `n` float32 numbers that go on smoothly with `t`, some of them odd.
fn floats(n: usize, t: f32) -> Vec<f32> {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        1e-45,
        f32::MAX,
    ];
    let mut data: Vec<f32> = (0..n)
        .map(|i| (i as f32).sin() * (1.0 + t * (i as f32 * 0.7).cos()))
        .collect();
    for (x, odd) in data.iter_mut().zip(odd).skip((10.0 * t) as usize) {
        *x = odd;
    }
    data
}

fn file(n: usize, t: f32) -> Contents {
    let (shape, data) = ([n], floats(n, t));
    let entries: Entries<'_> = vec![("w".into(), Entry::f32(&shape, &data))];
    check(encode(entries, &[]).unwrap()).unwrap()
}

fn halves(n: usize, t: f32) -> Contents {
    let shape = [n];
    let data: Vec<half::f16> = floats(n, t).into_iter().map(half::f16::from_f32).collect();
    let entries: Entries<'_> = vec![("w".into(), Entry::f16(&shape, &data))];
    check(encode(entries, &[("precision", "f16".to_owned())]).unwrap()).unwrap()
}

/// Through the bytes of a file and back.
fn round_trip(image: &Contents, width: usize, before: &[(u64, &Contents)]) -> (usize, Contents) {
    let bytes = pack(image, width, before, &[]).unwrap();
    let len = bytes.len();
    let packed = check(bytes).unwrap();
    let from = from(&packed, 1000).unwrap();
    let named: Vec<&Contents> = before[..from.len()].iter().map(|(_, c)| *c).collect();
    (len, unpack(&packed, &named).unwrap())
}

fn same(one: &Contents, other: &Contents) -> bool {
    one.header() == other.header() && one.data() == other.data()
}

#[test]
fn every_number_comes_back_bit_for_bit() {
    for n in [0, 1, 7, 1000, 70_000] {
        for (make, width) in [(file as fn(usize, f32) -> Contents, 4), (halves, 2)] {
            let [first, second, third] = [0.0, 0.01, 0.02].map(|t| make(n, t));
            assert!(same(&round_trip(&first, width, &[]).1, &first));
            assert!(same(&round_trip(&second, width, &[(1, &first)]).1, &second));
            let before = [(2, &second), (1, &first)];
            assert!(same(&round_trip(&third, width, &before).1, &third));
        }
    }
}

/// The point of it all: what goes on as it went takes less.
#[test]
fn smooth_histories_take_less_the_more_is_known() {
    for (make, width) in [(file as fn(usize, f32) -> Contents, 4), (halves, 2)] {
        let files = [0.0, 0.001, 0.002].map(|t| make(20_000, t));
        let alone = round_trip(&files[2], width, &[]).0;
        let one = round_trip(&files[2], width, &[(1, &files[1])]).0;
        let two = round_trip(&files[2], width, &[(1, &files[1]), (0, &files[0])]).0;
        assert!(two < one && one < alone, "{two} {one} {alone}");
        assert!(alone < width * 20_000, "{alone}");
    }
}

#[test]
fn integers_grow_with_their_floats() {
    let ordered = [
        f32::NEG_INFINITY,
        -1.0,
        -1e-45,
        -0.0,
        0.0,
        1e-45,
        1.0,
        f32::INFINITY,
    ];
    let turned = ordered.map(|x| i32::read(x.to_le_bytes()).turned());
    assert!(turned.is_sorted_by(|a, b| a < b), "{turned:?}");
    for x in [0, 1, -1, i32::MIN, i32::MAX, 77, -12_345] {
        assert_eq!(x.turned().turned(), x);
        assert_eq!(x.zigzag().unzigzag(), x);
    }
    for x in i16::MIN..=i16::MAX {
        assert_eq!(x.turned().turned(), x);
        assert_eq!(x.zigzag().unzigzag(), x);
    }
    assert_eq!([0, -1, 1, -2].map(i32::zigzag), [0, 1, 2, 3]);
}

#[test]
fn a_file_of_another_size_is_not_predicted_from() {
    let (small, large) = (file(10, 0.0), file(11, 0.0));
    let packed = check(pack(&small, 4, &[(5, &large)], &[]).unwrap()).unwrap();
    assert_eq!(from(&packed, 9).unwrap(), Vec::<u64>::new());
    assert!(same(&unpack(&packed, &[]).unwrap(), &small));
}

#[test]
fn what_it_is_predicted_from_must_be_what_it_was() {
    let [first, second, other] = [0.0, 0.01, 0.02].map(|t| file(100, t));
    let packed = check(pack(&second, 4, &[(5, &first)], &[]).unwrap()).unwrap();
    let error = unpack(&packed, &[&other]).unwrap_err();
    assert!(error.contains("a checkpoint before it"), "{error}");
    let error = unpack(&packed, &[&file(99, 0.0)]).unwrap_err();
    assert!(error.contains("another size"), "{error}");
    assert!(from(&packed, 6).is_ok() && from(&packed, 5).is_err());
}

/// A right digest says nothing of what the parts are.
#[test]
fn nonsense_with_a_right_digest_is_an_error() {
    let image = file(3, 0.0);
    let seal = |parts: Vec<(&'static str, Entry<'static>)>| {
        let entries: Entries<'_> = parts.into_iter().map(|(n, e)| (n.into(), e)).collect();
        check(encode(entries, &[]).unwrap()).unwrap()
    };
    let planes =
        || ["plane.0", "plane.1", "plane.2", "plane.3"].map(|n| (n, Entry::u8(vec![0; 3])));
    let with = |header: Vec<u8>, from: &[i64], skip: usize| {
        let mut parts = vec![("header", Entry::u8(header)), ("from", Entry::i64(from))];
        parts.extend(planes().into_iter().skip(skip));
        seal(parts)
    };
    for packed in [
        seal(vec![]),
        with(vec![], &[], 0),
        with(vec![0xff; 90], &[], 0),
        with(image.header(), &[], 0),
        with(image.header(), &[], 1),
        with(image.header(), &[], 3),
        with(file(4, 0.0).header(), &[], 0),
    ] {
        assert!(unpack(&packed, &[]).is_err());
    }
    for odd in [&[-1][..], &[3, 2, 1], &[i64::MAX]] {
        assert!(from(&with(image.header(), odd, 0), 100).is_err());
    }
}
