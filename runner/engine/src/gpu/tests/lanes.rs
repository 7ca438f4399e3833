//! Kernels whose invocations have other numbers than the driver gave them.
//!
//! A software driver runs the invocations of a workgroup some at a time, always in the same order, from
//! barrier to barrier. What one of them leaves in workgroup memory for a later one is then there even
//! if a barrier is missing, and on a GPU only by chance. With the numbers in another order it is a
//! later one that leaves it for an earlier one: results that do not change had the barrier.

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
        if self == Lanes::AsGiven {
            return source;
        }
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
        let count = size.replace(", ", " * ");
        let number = match self {
            Lanes::AsGiven => "given".to_owned(),
            Lanes::Backwards => format!("{count} - 1u - given"),
            Lanes::Scattered => format!("given * 7u % ({count})"),
        };
        let head = format!("@compute @workgroup_size({size})\n{head}index) given: u32) {{");
        format!("{before}{head}\nlet number = {number};\n{names}\n{body}").into()
    }
}

#[test]
fn results_do_not_depend_on_the_order_of_invocations() {
    let Some(adapter) = adapter() else { return };
    // More than one tile in every direction.
    let large = Shape {
        modulus: 71,
        d_mlp: 150,
        ..PLAIN
    };
    for (shape, epochs) in [(PLAIN, 4), (ODD, 4), (large, 2)] {
        for variant in [Variant::Registers, Variant::Tiles] {
            let train = |lanes| {
                let mut context = Context::open(&adapter, None).unwrap();
                context.lanes = lanes;
                let cells = vec![cell(&shape, 3, 0), cell(&shape, 4, 1)];
                let program = Program::folded(shape);
                let mut gpu = GpuExecutor::on(context, variant, program, cells).unwrap();
                let rows = gpu.run(epochs).unwrap();
                (rows, gpu.state(0).unwrap(), gpu.state(1).unwrap())
            };
            let given = train(Lanes::AsGiven);
            for lanes in [Lanes::Backwards, Lanes::Scattered] {
                assert!(train(lanes) == given, "{lanes:?}, {variant:?}, {shape:?}");
            }
        }
    }
}
