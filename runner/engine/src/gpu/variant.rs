//! Chooses the variant of a kernel that an adapter runs. The choice depends on the adapter's class
//! alone, so a device always runs the same variant. Every variant sums in the same order, so the
//! choice changes the time alone; tests compare the variants bit by bit.

use grokrun_shaders::{Kernel, PRODUCT, PRODUCT_TILED, program};

use super::adapter::Kind;
use super::plan::Tile;

/// The variants of the kernels that an executor, or a player, runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Operands go from memory into registers, with small workgroups and few barriers: for
    /// processors that emulate a GPU, where a barrier is expensive and all memory is alike.
    Registers,
    /// Operands go through workgroup memory, with workgroups of 128: for GPUs.
    Tiles,
}

impl Variant {
    /// Returns the variant for adapters of a class.
    pub(crate) fn of(kind: Kind) -> Variant {
        match kind {
            Kind::Software => Variant::Registers,
            Kind::Discrete | Kind::Integrated | Kind::Virtual | Kind::Other => Variant::Tiles,
        }
    }

    /// Returns the kernel of products.
    pub(crate) fn product(self) -> &'static Kernel {
        match self {
            Variant::Registers => &PRODUCT,
            Variant::Tiles => &PRODUCT_TILED,
        }
    }

    /// Returns the size of the output of one workgroup of the kernel of products.
    pub(crate) fn tile(self) -> Tile {
        match self {
            Variant::Registers => Tile { rows: 8, vec4s: 32 },
            Variant::Tiles => Tile {
                rows: 64,
                vec4s: 16,
            },
        }
    }

    /// Returns the kernel of products of programs, and the number of rows and columns that one
    /// workgroup computes.
    pub(crate) fn program_product(self) -> (&'static Kernel, [usize; 2]) {
        match self {
            Variant::Registers => (&program::product_rows::KERNEL, [8, 128]),
            Variant::Tiles => (&program::product::KERNEL, [64, 64]),
        }
    }

    /// Returns the largest number of groups of eight pairs in a workgroup of `forward`.
    pub(crate) fn groups(self) -> u32 {
        match self {
            Variant::Registers => 1,
            Variant::Tiles => 4,
        }
    }
}
