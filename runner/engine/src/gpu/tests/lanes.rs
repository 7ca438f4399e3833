//! Runs kernels whose invocations are numbered in another order than by the driver.
//!
//! A software driver runs the invocations of a workgroup a few at a time, always in the same order,
//! from barrier to barrier. A value that one invocation writes to workgroup memory for a later one
//! is then there even if a barrier is missing; on a GPU it would be there only by chance. With the
//! numbers in another order a later invocation writes the value for an earlier one, so that a
//! missing barrier changes the result.

use std::borrow::Cow;

use super::*;

/// The order of the numbers of invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Lanes {
    /// the driver's order
    #[default]
    AsGiven,
    Backwards,
    /// neighbours are seven apart, so that the invocations that run at a time are not neighbours
    Scattered,
}

impl Lanes {
    /// Returns the kernel with its invocations in this order.
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

/// Returns the cell with about a hundred of its pairs, from everywhere, more than a workgroup
/// takes.
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
    // There is more than one vector of heads, and more of everything else than a workgroup takes at
    // a time.
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
