use serde_json::Value;

use super::*;
use crate::fixtures::{bits, json, numbers, sha256_of_f32, sha256_of_i64};

fn vectors() -> Value {
    json(include_str!("../../fixtures/rng.json"))
}

fn list<'v>(vectors: &'v Value, name: &str) -> &'v Vec<Value> {
    vectors[name].as_array().unwrap()
}

/// Returns a generator with the vector's own seed.
fn seeded(vector: &Value) -> Generator {
    let seed = &vector["seed"];
    let text = seed
        .as_str()
        .map_or_else(|| seed.to_string(), str::to_owned);
    Generator::new(text.parse().unwrap())
}

fn length(vector: &Value) -> usize {
    vector["n"].as_u64().unwrap() as usize
}

fn patterns(drawn: &[f32]) -> Vec<u32> {
    drawn.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn randperm() {
    let vectors = vectors();
    assert_eq!(list(&vectors, "randperm").len(), 88);
    for vector in list(&vectors, "randperm") {
        let order = seeded(vector).randperm(length(vector) as u32);
        assert!(order.starts_with(&numbers(&vector["first"])), "{vector}");
        assert!(order.ends_with(&numbers(&vector["last"])), "{vector}");
        assert_eq!(sha256_of_i64(&order), vector["sha256_i64le"], "{vector}");
    }
    assert_eq!(Generator::new(1).randperm(0), [0; 0]);
}

#[test]
fn randperm_leaves_the_generator_where_torch_does() {
    let vectors = vectors();
    let mut twice = Generator::new(598);
    for order in list(&vectors, "randperm_twice_598_10") {
        assert_eq!(twice.randperm(10), numbers(order));
    }
    let mut then = Generator::new(598);
    then.randperm(12_769);
    for value in list(&vectors, "after_randperm_12769_rand4") {
        assert_eq!(f64::from(then.uniform_f32()), value.as_f64().unwrap());
    }
}

/// Tests the method against its definition, since a vector of this length would take a gigabyte.
#[test]
fn large_permutations_go_inside_out_on_double_words() {
    let (mut generator, mut words) = (Generator::new(3), Mt::new(3));
    let drawn = generator.shuffled_inside_out(50);
    let mut expected: Vec<u32> = Vec::new();
    for place in 0..50 {
        let word = u64::from(words.next_u32()) << 32 | u64::from(words.next_u32());
        let other = (word % (place + 1)) as usize;
        match expected.get_mut(other) {
            Some(moved) => {
                let moved = std::mem::replace(moved, place as u32);
                expected.push(moved);
            }
            None => expected.push(place as u32),
        }
    }
    assert_eq!(drawn, expected);
}

#[test]
fn words() {
    for vector in list(&vectors(), "words24") {
        let mut generator = seeded(vector);
        let drawn: Vec<u32> = (0..1252)
            .map(|_| generator.words.next_u32() & 0xff_ffff)
            .collect();
        for (range, start) in [("0..8", 0), ("620..628", 620), ("1244..1252", 1244)] {
            assert_eq!(
                drawn[start..start + 8],
                numbers(&vector[range]),
                "{range} of {vector}"
            );
        }
    }
}

#[test]
fn uniforms() {
    let vectors = vectors();
    for vector in list(&vectors, "rand_f32") {
        let mut generator = seeded(vector);
        let drawn: Vec<f32> = (0..length(vector))
            .map(|_| generator.uniform_f32())
            .collect();
        assert_eq!(patterns(&drawn), bits(&vector["hex"]));
    }
    for vector in list(&vectors, "rand_f64") {
        let mut generator = seeded(vector);
        for value in list(vector, "values") {
            assert_eq!(generator.uniform_f64(), value.as_f64().unwrap());
        }
    }
    let mut generator = Generator::new(7);
    for value in list(&vectors, "uniform_-2_3_seed7") {
        let drawn = generator.uniform_f32().mul_add(5.0, -2.0);
        assert_eq!(drawn, value.as_f64().unwrap() as f32);
    }
}

#[test]
fn integers() {
    for vector in list(&vectors(), "random_below") {
        let mut generator = seeded(vector);
        let bound = NonZeroU64::new(vector["n"].as_u64().unwrap()).unwrap();
        for value in list(vector, "values") {
            assert_eq!(
                generator.random_below(bound),
                value.as_u64().unwrap(),
                "{vector}"
            );
        }
    }
}

#[test]
fn normal_of_every_size() {
    let vectors = vectors();
    assert_eq!(list(&vectors, "normal").len(), 48);
    for vector in list(&vectors, "normal") {
        let mut generator = seeded(vector);
        let mut drawn = vec![0.0; length(vector)];
        let (mean, std) = (
            vector["mean"].as_f64().unwrap(),
            vector["std"].as_f64().unwrap(),
        );
        generator.normal(&mut drawn, mean, std);
        let expected = bits(&vector["hex"]);
        assert_eq!(patterns(&drawn)[..expected.len()], expected, "{vector}");
        let then = [generator.uniform_f32(), generator.uniform_f32()];
        assert_eq!(patterns(&then), bits(&vector["then_rand2"]), "{vector}");
    }
}

#[test]
fn the_kept_half_of_a_pair_outlives_blocks() {
    let vectors = vectors();
    let mut generator = Generator::new(999);
    for vector in list(&vectors, "normal_sequence_seed999_std0.0707") {
        let mut drawn = vec![0.0; length(vector)];
        generator.normal(&mut drawn, 0.0, 0.070_710_678_118_654_75);
        assert_eq!(patterns(&drawn), bits(&vector["hex"]), "{vector}");
    }
}

#[test]
fn scalar_draws_before_they_are_rounded() {
    for vector in list(&vectors(), "randn_f64") {
        if length(vector) >= BLOCK {
            continue; // torch's double-precision blocks: nothing here draws them
        }
        let mut generator = seeded(vector);
        for value in list(vector, "values") {
            let expected = value.as_f64().unwrap();
            // The last bit depends on the C library, which differs between machines.
            let drawn = generator.standard_normal();
            assert!(
                (drawn / expected - 1.0).abs() < 4.0 * f64::EPSILON,
                "{drawn} {expected}"
            );
        }
    }
}

#[test]
fn a_whole_embedding() {
    let vector = &vectors()["normal_114x128_seed999"];
    let mut drawn = vec![0.0; 114 * 128];
    Generator::new(999).normal(&mut drawn, 0.0, vector["std"].as_f64().unwrap());
    assert!(patterns(&drawn).starts_with(&bits(&vector["first_hex"])));
    assert!(patterns(&drawn).ends_with(&bits(&vector["last_hex"])));
}

/// Tests every weight of both golden settings, in the order in which TransformerLens 1.13+ draws
/// them.
#[test]
fn all_initial_weights_of_the_golden_settings() {
    let golden = json(include_str!("../../fixtures/golden.json"));
    for setting in list(&golden, "settings") {
        let mut generator = Generator::new(setting["model_seed"].as_i64().unwrap());
        let std = setting["init_std"].as_f64().unwrap();
        for tensor in list(setting, "init_in_draw_order") {
            let size = numbers(&tensor["shape"]).into_iter().product::<u32>() as usize;
            let mut weights = vec![0.0; size];
            generator.normal(&mut weights, 0.0, std);
            assert_eq!(
                sha256_of_f32(&weights),
                tensor["sha256_f32le"],
                "{}",
                tensor["name"]
            );
        }
    }
}
