use super::*;
use crate::fixtures::{json, sha256_of_i64};
use crate::{SplitError, Stream};

fn dataset(operation: &str, modulus: u32) -> Dataset {
    Dataset::new(&Operation::parse(operation).unwrap(), modulus).unwrap()
}

#[test]
fn pairs_are_ordered_by_a_then_b_and_labelled() {
    let add = dataset("add", 3);
    assert_eq!(add.pairs(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(add.labels(), [0, 1, 2, 1, 2, 0, 2, 0, 1]);
    let div = dataset("div", 3);
    assert_eq!(div.pairs(), [1, 2, 4, 5, 7, 8]);
    assert_eq!(div.labels(), [0, 0, 1, 2, 2, 1]);
    assert_eq!(
        [div.label(3), div.label(5), div.label(8), div.label(9)],
        [None, Some(2), Some(1), None]
    );
    assert_eq!(
        [add.label(0), add.label(8), add.label(9)],
        [Some(0), Some(1), None]
    );
}

#[test]
fn domains_have_the_published_sizes() {
    for (operation, pairs) in [
        ("mul", 97 * 97),
        ("div", 97 * 96),
        ("mul-nonzero", 96 * 96),
        ("div-odd-else-sub", 97 * 97),
        ("1/(a - b)", 97 * 96),
    ] {
        assert_eq!(dataset(operation, 97).pairs().len(), pairs, "{operation}");
    }
}

#[test]
fn splits_of_the_golden_settings() {
    let golden = json(include_str!("../../fixtures/golden.json"));
    let settings = golden["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 2);
    for setting in settings {
        let modulus = setting["modulus"].as_u64().unwrap() as u32;
        let data = dataset(setting["operation"].as_str().unwrap(), modulus);
        let fraction = setting["fraction"].as_f64().unwrap();
        let seed = setting["data_seed"].as_i64().unwrap();
        let split = data.split(fraction, seed, Stream::Torch).unwrap();
        assert_eq!(split.train.len(), setting["train"]);
        assert_eq!(split.test.len(), setting["test"]);
        assert_eq!(sha256_of_i64(&split.train), setting["sha256_train_i64le"]);
        assert_eq!(sha256_of_i64(&split.test), setting["sha256_test_i64le"]);
        assert_eq!(
            data.split(fraction, seed, Stream::TorchLegacy).unwrap(),
            split
        );
    }
}

#[test]
fn tuples_are_ordered_with_the_last_operand_fast() {
    let data = dataset("a + 2*b + c", 3);
    assert_eq!([data.operands(), data.pairs().len()], [3, 27]);
    for (index, label) in data.pairs().iter().zip(data.labels()) {
        let tokens: Vec<u32> = data.tokens_of(*index).collect();
        let [a, b, c] = tokens[..] else {
            panic!("{tokens:?}")
        };
        assert_eq!(*index, (a * 3 + b) * 3 + c);
        assert_eq!(*label, (a + 2 * b + c) % 3);
        assert_eq!(data.label(*index), Some(*label));
    }
    assert_eq!(data.label(27), None);
    let pairs = dataset("div", 5);
    assert_eq!(pairs.operands(), 2);
    assert!(pairs.tokens_of(13).eq([2, 3]));
    let five = dataset("a*b*c*d/e", 5);
    assert_eq!(five.pairs().len(), 5_usize.pow(4) * 4);
    assert!(five.tokens_of(3124).eq([4; 5]));
    let split = five.split(0.3, 1, Stream::Torch).unwrap();
    assert_eq!(split.train.len(), 750);
}

#[test]
fn splits_of_groups_are_the_published_ones() {
    let golden = json(include_str!("../../fixtures/groups.json"));
    for (name, size) in [("S4", 24), ("D5", 10)] {
        let data = dataset(&format!("group {name}"), size);
        let split = data.split(0.5, 3, Stream::Torch).unwrap();
        let hashes = &golden["splits"][name];
        assert_eq!(
            sha256_of_i64(&split.train),
            hashes["sha256_train_indices_i64le"]
        );
        assert_eq!(
            sha256_of_i64(&split.test),
            hashes["sha256_test_indices_i64le"]
        );
    }
}

fn first_pairs(indices: &[u32], modulus: u32) -> Vec<(u32, u32)> {
    indices
        .iter()
        .take(5)
        .map(|pair| (pair / modulus, pair % modulus))
        .collect()
}

#[test]
fn splits_begin_with_the_published_pairs() {
    let add = dataset("add", 113);
    let demo = add.split(0.3, 598, Stream::Torch).unwrap();
    assert_eq!(
        first_pairs(&demo.train, 113),
        [(21, 31), (30, 98), (47, 10), (86, 21), (99, 83)]
    );
    assert_eq!(
        first_pairs(&demo.test, 113),
        [(43, 40), (31, 42), (39, 63), (35, 61), (112, 102)]
    );
    let paper = add.split(0.3, 0, Stream::Python).unwrap();
    assert_eq!(
        first_pairs(&paper.train, 113),
        [(18, 34), (10, 83), (55, 28), (25, 51), (63, 65)]
    );
    assert_eq!(paper.train.len(), 3830);
}

#[test]
fn a_split_deals_out_exactly_the_pairs_of_the_domain() {
    let div = dataset("div", 23);
    for stream in Stream::ALL {
        let split = div.split(0.4, 5, stream).unwrap();
        let mut all = [split.train.clone(), split.test].concat();
        assert_ne!(all, div.pairs());
        all.sort_unstable();
        assert_eq!(all, div.pairs());
        assert_eq!(split.train.len(), 202); // ⌊0.4 · 506⌋
    }
}

#[test]
fn empty_parts_and_wrong_fractions_are_refused() {
    let data = dataset("add", 3);
    let split = |fraction| data.split(fraction, 0, Stream::Torch);
    for fraction in [0.0, 1.0, -0.5, 2.0, f64::INFINITY] {
        assert_eq!(split(fraction), Err(SplitError::Fraction { fraction }));
    }
    assert!(matches!(split(f64::NAN), Err(SplitError::Fraction { .. })));
    assert_eq!(
        split(0.1),
        Err(SplitError::EmptyTrain {
            fraction: 0.1,
            pairs: 9
        })
    );
    assert_eq!(split(0.12).unwrap().train.len(), 1);
    for modulus in [2, 3, 97, 113, 128, 509] {
        let data = dataset("add", modulus);
        let split = data
            .split(1.0 - f64::EPSILON / 2.0, 0, Stream::Torch)
            .unwrap();
        assert_eq!(split.test.len(), 1, "modulus {modulus}");
    }
    let lone = dataset("mul-nonzero", 2).split(0.5, 0, Stream::Python);
    assert_eq!(lone, Err(SplitError::TooFewPairs { pairs: 1 }));
}

#[test]
fn samples_of_a_parity_are_drawn_and_split_like_pairs() {
    let text = "parity of 3 of 40 bits, 100 samples, seed 7";
    let operation = Operation::parse(text).unwrap();
    assert_eq!(operation.text(), text);
    assert_eq!(operation.slug(), "parity-3-of-40-n100-s7");
    assert_eq!(operation.notation(), "parity of 3 of 40 bits");
    assert_eq!((operation.operands(), operation.classes(2)), (40, 2));
    assert!(!operation.is_commutative(2));
    assert_eq!(operation.count(2, 1).unwrap().pairs, 100);
    assert!(Dataset::new(&operation, 3).is_err());
    let data = Dataset::new(&operation, 2).unwrap();
    assert_eq!((data.pairs().len(), data.indices()), (100, 100));
    for sample in 0..100 {
        let bits: Vec<u32> = data.tokens_of(sample).collect();
        assert_eq!(bits.len(), 40);
        assert_eq!(data.label(sample), Some(bits[..3].iter().sum::<u32>() % 2));
    }
    assert_eq!(data.label(100), None);
    let split = data.split(0.3, 5, crate::Stream::Torch).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (30, 70));
    for wrong in [
        "parity of 3 of 2 bits, 100 samples, seed 7",
        "parity of three of 40 bits",
        "parity of 3 of 400 bits, 100 samples, seed 7",
    ] {
        assert!(Operation::parse(wrong).is_err(), "{wrong}");
    }
}
