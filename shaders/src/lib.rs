//! The GPU kernels: WGSL texts, validated and reflected when this crate is built. Those of the
//! folded model have a twin each in plain Rust, of the same name, which says what it computes;
//! those of [`program`] are an operation of `grokrun_program` each, whose interpreter is their
//! twin.
//!
//! Each kernel's header has its formula, the shape of each binding, its grid and its numerics. All
//! stay inside wgpu's default limits: 256 invocations a workgroup, 16 KiB of workgroup memory, 8
//! storage buffers; no float atomics, sums in a fixed order, at most 65,535 loop iterations an
//! invocation (Mesa 22 silently stops there). Who dispatches them is the engine.

mod forward;
pub mod program;
pub mod twins;

pub use forward::ForwardSizes;

/// Invocations of a workgroup and bytes of its memory that wgpu promises everywhere.
const MAX_INVOCATIONS: u32 = 256;
const WORKGROUP_BYTES: u64 = 16_384;

/// A kernel and what a pipeline for it needs.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// the stem of its file
    pub name: &'static str,
    /// WGSL, includes expanded
    pub source: &'static str,
    /// the entry point's name
    pub entry: &'static str,
    /// what is bound in group 0 at 0, 1, 2, …
    pub bindings: &'static [Binding],
    /// what the kernel calls each of them
    pub names: &'static [&'static str],
}

/// A struct of a kernel, which is written word by word into a buffer.
pub trait Words {
    /// How many words it has.
    const COUNT: usize;

    /// Adds its words in the order of its fields.
    fn push(&self, words: &mut Vec<u32>);

    /// Returns its words.
    fn words(&self) -> Vec<u32> {
        let mut words = Vec::with_capacity(Self::COUNT);
        self.push(&mut words);
        words
    }
}

/// What stands at a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// a uniform buffer
    Uniform,
    /// a storage buffer that is only read
    Read,
    /// a storage buffer that is read and written
    Write,
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// The uniforms of the folded model's kernels, field by field, a module each.
pub mod uniforms {
    include!(concat!(env!("OUT_DIR"), "/uniforms.rs"));
}

/// `exp_accurate` and `log1p_accurate` alone: kernels include them, tests wrap them to see what a
/// driver makes of them.
pub const EXP: &str = include_str!("../wgsl/exp.inc.wgsl");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_says_what_it_computes_and_on_which_grid() {
        assert_eq!((KERNELS.len(), program::KERNELS.len()), (7, 20));
        for kernel in KERNELS.iter().chain(program::KERNELS) {
            assert!(kernel.source.starts_with("// "), "{}", kernel.name);
            assert!(
                kernel.source.contains("Grid: "),
                "{} has no grid",
                kernel.name
            );
        }
    }

    #[test]
    fn reflection_finds_the_bindings() {
        use Binding::{Read, Uniform, Write};
        assert_eq!(PRODUCT.bindings, [Uniform, Read, Write]);
        assert_eq!(PRODUCT_TILED.bindings, PRODUCT.bindings);
        assert_eq!(METRICS.bindings, [Uniform, Read, Write, Write]);
    }
}
