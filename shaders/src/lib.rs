//! The GPU kernels: WGSL texts, validated and reflected when this crate is built. Those of the
//! folded model have a twin each in plain Rust, of the same name, which computes the same; each of
//! those in [`program`] is an operation of `grokrun_program`, whose interpreter is the twin.
//!
//! Each kernel's header has its formula, the shape of each binding, its grid and its numerics. All
//! kernels stay inside wgpu's default limits: 256 invocations a workgroup, 16 KiB of workgroup
//! memory, 8 storage buffers; no float atomics, sums in a fixed order, at most 65,535 loop
//! iterations an invocation (Mesa 22 silently stops there). The engine dispatches the kernels.

mod forward;
pub mod program;
pub mod twins;

pub use forward::ForwardSizes;

/// The number of invocations of a workgroup and the bytes of its memory that wgpu guarantees on
/// every device.
const MAX_INVOCATIONS: u32 = 256;
const WORKGROUP_BYTES: u64 = 16_384;

/// A kernel, with what a pipeline for it needs.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// the stem of its file
    pub name: &'static str,
    /// WGSL, includes expanded
    pub source: &'static str,
    /// the entry point's name
    pub entry: &'static str,
    /// the bindings in group 0 at 0, 1, 2, …
    pub bindings: &'static [Binding],
    /// the kernel's name of each binding
    pub names: &'static [&'static str],
}

/// A struct of a kernel, which is written word by word into a buffer.
pub trait Words {
    /// The number of words.
    const COUNT: usize;

    /// Appends the words of the struct, in the order of the fields.
    fn push(&self, words: &mut Vec<u32>);

    /// Returns the words of the struct.
    fn words(&self) -> Vec<u32> {
        let mut words = Vec::with_capacity(Self::COUNT);
        self.push(&mut words);
        words
    }
}

/// The kind of a binding.
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

/// The uniforms of the folded model's kernels, field by field, in a module for each kernel.
pub mod uniforms {
    include!(concat!(env!("OUT_DIR"), "/uniforms.rs"));
}

/// The functions `exp_accurate` and `log1p_accurate` alone. Kernels include them, and tests wrap
/// them to see how a driver compiles them.
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
