//! Multilayer perceptrons of the literature on groups and on clock and pizza.

use super::files::{array, same, swapped, write};
use super::formulas::Mlp;
use super::{analysed, comes_back, imported};
use crate::support::Bench;

#[test]
fn multilayer_perceptrons_of_published_code_compute_what_they_did() {
    let bench = Bench::new("");
    let (p, e, m) = (7, 6, 9);
    let weight = |name: &str, of: &str, shape: [usize; 2]| array(name, of, &shape, same);
    let turned = |name: &str, of: &str, shape: [usize; 2]| array(name, of, &shape, swapped);
    let bias = |name: &str, of: &str, len: usize| array(name, of, &[len], same);
    let separate = |x: &str, y: &str| {
        [
            weight(x, "embed.0.W_E", [p, e]),
            weight(y, "embed.1.W_E", [p, e]),
        ]
    };
    let one = vec![m];
    let rep_theory = [
        &separate("W_x", "W_y")[..],
        &[
            weight("W", "layers.0.W", [2 * e, m]),
            weight("W_U", "layers.1.W", [m, p]),
        ],
    ]
    .concat();
    let sn_mlp = [
        &separate("lembed.weight", "rembed.weight")[..],
        &[
            turned("linear.weight", "layers.0.W", [m, 2 * e]),
            turned("unembed.weight", "layers.1.W", [p, m]),
            bias("unembed.bias", "layers.1.b", p),
        ],
    ]
    .concat();
    let linear = |inputs: usize, hidden: usize| {
        let mut all = vec![
            turned("l1.weight", "layers.0.W", [m, inputs]),
            bias("l1.bias", "layers.0.b", m),
        ];
        if hidden == 2 {
            all.push(turned("l2.weight", "layers.1.W", [m, m]));
            all.push(bias("l2.bias", "layers.1.b", m));
        }
        all.push(turned(
            "unembed.weight",
            &format!("layers.{hidden}.W"),
            [p, m],
        ));
        all
    };
    let shared = [weight("embed.weight", "embed.W_E", [p, e])];
    let model = |concat: bool, shared: bool, hidden: &[usize], biased: &[usize]| Mlp {
        p,
        e,
        concat,
        shared,
        hidden: hidden.to_vec(),
        biased: biased.to_vec(),
    };
    for (arrays, layout, mlp) in [
        (rep_theory, "rep-theory", model(true, false, &one, &[])),
        (sn_mlp, "sn-mlp", model(true, false, &one, &[1])),
        (
            [&shared[..], &linear(e, 1)].concat(),
            "pizza-linear",
            model(false, true, &one, &[0]),
        ),
        (
            [&shared[..], &linear(e, 2)].concat(),
            "pizza-linear",
            model(false, true, &[m, m], &[0, 1]),
        ),
        (
            [&shared[..], &linear(2 * e, 1)].concat(),
            "pizza-linear",
            model(true, true, &one, &[0]),
        ),
        (
            [
                &separate("embed1.weight", "embed2.weight")[..],
                &linear(e, 1),
            ]
            .concat(),
            "pizza-linear",
            model(false, false, &one, &[0]),
        ),
    ] {
        write(&bench, "x.pt", &arrays, None);
        let flags: &[&str] = if layout == "sn-mlp" {
            &["--activation", "relu"]
        } else {
            &[]
        };
        imported(&bench, "x.pt", flags, p, |a, b| mlp.logits(a, b));
        comes_back(&bench, &arrays, layout);
        imported(&bench, "back.pth", flags, p, |a, b| mlp.logits(a, b));
        analysed(&bench);
        // A layout that does not hold the model is refused, with what it holds.
        let fixed = [
            "export", "runs/x", "--format", "pth", "-o", "y.pth", "--layout",
        ];
        bench
            .run(&[&fixed[..], &["paper"]].concat())
            .exits(2)
            .says(&["expected a transformer"]);
        assert!(!bench.path().join("y.pth").exists());
    }
    // A group instead of a modulus: 7 elements.
    let group = [
        "import",
        "x.pt",
        "--into",
        "runs/g",
        "--operation",
        "group C7",
    ];
    bench.run(&group).exits(0).says(&["ab in C7"]);
    let other = [
        "import",
        "x.pt",
        "--into",
        "runs/h",
        "--operation",
        "group S4",
    ];
    bench
        .run(&other)
        .exits(2)
        .says(&["on 24 elements", "rows for 7"]);
}
