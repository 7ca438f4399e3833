//! Kernels whose invocations have other numbers than the driver gave them.
//!
//! A software driver runs the invocations of a workgroup some at a time, always in the same order,
//! from barrier to barrier. What one of them leaves in workgroup memory for a later one is then
//! there even if a barrier is missing, and on a GPU only by chance. With the numbers in another
//! order it is a later one that leaves it for an earlier one: results that do not change had the
//! barrier.

use std::borrow::Cow;

use super::*;

/// How invocations are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Lanes {
    /// as by the driver
    #[default]
    AsGiven,
    Backwards,
    /// neighbours are seven apart, so that those which run at a time are none
    Scattered,
}

impl Lanes {
    /// The kernel with its invocations numbered so.
    pub(crate) fn of(self, source: Cow<'static, str>) -> Cow<'static, str> {
        let number = match self {
            Lanes::AsGiven => return source,
            Lanes::Backwards => "(COUNT) - 1u - given",
            Lanes::Scattered => "given * 7u % (COUNT)",
        };
        let (before, entry) = source.split_once("@compute @workgroup_size(").unwrap();
        let (size, entry) = entry.split_once(")\n").unwrap();
        let (head, body) = entry.split_once(") {\n").unwrap();
        let (head, names) = if let Some(head) = head.strip_suffix("index) lane: u32") {
            (head, "let lane = number;")
        } else {
            let head = head.strip_suffix("id) local: vec3u").unwrap();
            (
                head,
                "let local = vec3u(number % LANES, number / LANES, 0u);",
            )
        };
        let number = number.replace("COUNT", &size.replace(", ", " * "));
        let head = format!("@compute @workgroup_size({size})\n{head}index) given: u32) {{");
        format!("{before}{head}\nlet number = {number};\n{names}\n{body}").into()
    }
}

/// The cell with some hundred of its pairs, from everywhere, more than a workgroup takes.
fn few(cell: CellInput) -> CellInput {
    let pairs = [cell.pairs.train(), cell.pairs.test()].map(|part| {
        let every = part.len().div_ceil(400);
        part.iter().step_by(every).copied().collect()
    });
    let [train, test] = pairs;
    CellInput {
        pairs: Pairs::new(cell.pairs.modulus(), train, test).unwrap(),
        ..cell
    }
}

#[test]
fn results_do_not_depend_on_the_order_of_invocations() {
    let Some(adapter) = adapter() else { return };
    // More than one vector of heads and of everything else more than a workgroup has at a time.
    let heads = Shape {
        modulus: 31,
        heads: 8,
        d_head: 4,
        ..PLAIN
    };
    let large = Shape {
        modulus: 261,
        d_mlp: 140,
        ..PLAIN
    };
    for (shape, epochs) in [(PLAIN, 4), (ODD, 4), (heads, 4), (large, 1)] {
        for variant in [Variant::Registers, Variant::Tiles] {
            let train = |lanes| {
                let mut context = Context::open(&adapter, None).unwrap();
                context.lanes = lanes;
                let cells = [few(cell(&shape, 3, 0)), few(cell(&shape, 4, 1))];
                train_two(context, variant, shape, cells, epochs)
            };
            let given = train(Lanes::AsGiven);
            for lanes in [Lanes::Backwards, Lanes::Scattered] {
                assert!(train(lanes) == given, "{lanes:?}, {variant:?}, {shape:?}");
            }
        }
    }
}
