use std::num::NonZeroU64;

use serde_json::Value;

use super::*;
use crate::fixtures::{bits, json, numbers, sha256_of_i64};
use crate::python;

fn vectors() -> Value {
    json(include_str!("../../../fixtures/rng2.json"))
}

fn seed(vector: &Value) -> i64 {
    vector["seed"].as_i64().unwrap()
}

fn patterns(drawn: &[f32]) -> Vec<u32> {
    drawn.iter().map(|x| x.to_bits()).collect()
}

/// Compares the next two uniforms, which show how many words a draw has used.
fn then(generator: &mut Generator, vector: &Value, key: &str) {
    let next = [generator.uniform_f32(), generator.uniform_f32()];
    assert_eq!(patterns(&next), bits(&vector[key]), "{vector}");
}

/// Draws every vector of a list and compares its first, its last and the following numbers.
fn compare(name: &str, draw: impl Fn(&mut Generator, &mut [f32], &Value)) {
    let vectors = vectors();
    let list = vectors[name].as_array().unwrap();
    assert!(list.len() >= 3, "{name}");
    for vector in list {
        let shape = match &vector["shape"] {
            Value::Null => vec![23, 24],
            shape => numbers(shape),
        };
        let mut out = vec![0.0; shape.iter().product::<u32>() as usize];
        let mut generator = Generator::new(seed(vector));
        draw(&mut generator, &mut out, vector);
        assert!(
            patterns(&out).starts_with(&bits(&vector["first"])),
            "{name} {vector}"
        );
        assert!(
            patterns(&out).ends_with(&bits(&vector["last"])),
            "{name} {vector}"
        );
        then(&mut generator, vector, "then_rand2");
    }
}

/// Returns the fans of a shape [out, in].
fn fans(vector: &Value) -> [usize; 2] {
    let shape = numbers(&vector["shape"]);
    [shape[1] as usize, shape[0] as usize]
}

#[test]
fn uniforms_are_rounded_once() {
    compare("uniform", |generator, out, vector| {
        let [low, high] = ["low", "high"].map(|key| vector[key].as_f64().unwrap());
        generator.uniform(out, low, high);
    });
    compare("kaiming_uniform_a_sqrt5", |generator, out, vector| {
        let bound = linear_bound(fans(vector)[0]);
        generator.uniform(out, -bound, bound);
    });
    compare("xavier_uniform", |generator, out, vector| {
        let [fan_in, fan_out] = fans(vector);
        let bound = xavier_bound(fan_in, fan_out);
        generator.uniform(out, -bound, bound);
    });
}

#[test]
fn normals_of_every_width() {
    compare("kaiming_normal_relu", |generator, out, vector| {
        generator.normal(out, 0.0, kaiming_deviation(fans(vector)[0]));
    });
    compare("xavier_normal", |generator, out, vector| {
        let [fan_in, fan_out] = fans(vector);
        generator.normal(out, 0.0, xavier_deviation(fan_in, fan_out));
    });
    compare("embedding_23_24", |generator, out, _| {
        generator.normal(out, 0.0, 1.0)
    });
    compare("randn_over_sqrt32", |generator, out, _| {
        generator.normal(out, 0.0, 1.0);
        let root = 32f64.sqrt() as f32;
        out.iter_mut().for_each(|x| *x /= root);
    });
}

#[test]
fn truncated_normals_are_drawn_again_as_whole_tensors() {
    let cases = [
        ("trunc_normal_-2_2", 1.0, [-2.0, 2.0]),
        ("trunc_normal_std.02", 0.02, [-2.0, 2.0]),
        ("trunc_normal_std.05_pm.05", 0.05, [-0.05, 0.05]),
    ];
    for (name, std, bounds) in cases {
        compare(name, |generator, out, _| {
            generator.truncated_normal(out, std, bounds)
        });
    }
}

#[test]
fn a_linear_layer_draws_its_weight_then_its_bias() {
    for vector in vectors()["linear_46_48"].as_array().unwrap() {
        let mut generator = Generator::new(seed(vector));
        let (mut weight, mut bias) = (vec![0.0; 46 * 48], vec![0.0; 48]);
        let bound = linear_bound(46);
        generator.uniform(&mut weight, -bound, bound);
        let bound = linear_bias_bound(46);
        generator.uniform(&mut bias, -bound, bound);
        assert!(patterns(&weight).starts_with(&bits(&vector["weight_first"])));
        assert!(patterns(&bias).starts_with(&bits(&vector["bias_first"])));
        assert!(patterns(&bias).ends_with(&bits(&vector["bias_last"])));
        then(&mut generator, vector, "then_rand2");
    }
}

#[test]
fn integers_of_both_widths() {
    for vector in vectors()["randint"].as_array().unwrap() {
        let mut generator = Generator::new(seed(vector));
        let bound = NonZeroU64::new(vector["high"].as_u64().unwrap()).unwrap();
        for value in vector["values"].as_array().unwrap() {
            assert_eq!(
                generator.random_below(bound),
                value.as_u64().unwrap(),
                "{vector}"
            );
        }
        then(&mut generator, vector, "then_rand2");
    }
    for vector in vectors()["random_i64"].as_array().unwrap() {
        let mut generator = Generator::new(seed(vector));
        for value in vector["values"].as_array().unwrap() {
            assert_eq!(generator.random().to_string(), value.as_str().unwrap());
        }
        then(&mut generator, vector, "then_rand2");
    }
}

#[test]
fn coins_of_a_given_probability() {
    for vector in vectors()["bernoulli"].as_array().unwrap() {
        let mut generator = Generator::new(seed(vector));
        let p = vector["p"].as_f64().unwrap();
        let count = vector["n"].as_u64().unwrap() as usize;
        let drawn: String = (0..count)
            .map(|_| if generator.bernoulli(p) { '1' } else { '0' })
            .collect();
        assert!(
            drawn.starts_with(vector["bernoulli_scalar"].as_str().unwrap()),
            "{vector}"
        );
        assert_eq!(
            drawn.matches('1').count() as u64,
            vector["ones"].as_u64().unwrap()
        );
        then(&mut generator, vector, "then_rand2");
    }
}

#[test]
fn a_data_loader_shuffles_each_epoch() {
    for vector in vectors()["dataloader_shuffle"].as_array().unwrap() {
        let count = vector["n"].as_u64().unwrap() as u32;
        let size = vector["batch"].as_u64().unwrap() as usize;
        let (mut own, mut torchs) = (Generator::new(seed(vector)), Generator::new(seed(vector)));
        let epochs = |name: &str| vector[name].as_array().unwrap().clone();
        for epoch in epochs("own_generator") {
            let order = own.loader_order(count);
            let batches: Vec<Vec<u32>> = epoch.as_array().unwrap().iter().map(numbers).collect();
            assert!(
                order.chunks(size).eq(batches.iter().map(Vec::as_slice)),
                "{vector}"
            );
        }
        for epoch in epochs("global_generator") {
            let order = torchs.loader_order_by_seed(count);
            let batches: Vec<Vec<u32>> = epoch.as_array().unwrap().iter().map(numbers).collect();
            assert!(
                order.chunks(size).eq(batches.iter().map(Vec::as_slice)),
                "{vector}"
            );
        }
    }
}

#[test]
fn a_random_split_is_a_permutation_and_pythons_shuffle_is_its_own() {
    for vector in vectors()["random_split_529_264"].as_array().unwrap() {
        let order = Generator::new(seed(vector)).randperm(529);
        assert!(order.starts_with(&numbers(&vector["first"])));
        assert_eq!(sha256_of_i64(&order), vector["sha256_i64le"]);
    }
    for vector in vectors()["python"].as_array().unwrap() {
        let order = python::Random::new(seed(vector)).shuffled(529);
        let expected = &vector["shuffle_529"];
        assert!(order.starts_with(&numbers(&expected["first"])));
        assert_eq!(sha256_of_i64(&order), expected["sha256_i64le"]);
    }
}
