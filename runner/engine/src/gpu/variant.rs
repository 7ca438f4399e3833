//! Which of a kernel's variants an adapter runs. Chosen by the adapter's class alone, so one device
//! always runs the same; and every variant sums in the same order, so it is a matter of time only:
//! tests compare them bit by bit.

use grokrun_shaders::{Kernel, PRODUCT, PRODUCT_TILED, program};

use super::adapter::Kind;
use super::plan::Tile;

/// Which variants of the kernels an executor, or a player, runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Operands straight from memory into registers, small workgroups, few barriers: for
    /// processors that play a GPU, where a barrier is dear and all memory is alike.
    Registers,
    /// Operands through workgroup memory, workgroups of 128: for GPUs.
    Tiles,
}

impl Variant {
    /// The one for adapters of a class.
    pub(crate) fn of(kind: Kind) -> Variant {
        match kind {
            Kind::Software => Variant::Registers,
            Kind::Discrete | Kind::Integrated | Kind::Virtual | Kind::Other => Variant::Tiles,
        }
    }

    /// The kernel of products.
    pub(crate) fn product(self) -> &'static Kernel {
        match self {
            Variant::Registers => &PRODUCT,
            Variant::Tiles => &PRODUCT_TILED,
        }
    }

    /// What one workgroup of it makes.
    pub(crate) fn tile(self) -> Tile {
        match self {
            Variant::Registers => Tile { rows: 8, vec4s: 32 },
            Variant::Tiles => Tile {
                rows: 64,
                vec4s: 16,
            },
        }
    }

    /// The kernel of products of programs, and the rows and columns that one workgroup of it makes.
    pub(crate) fn program_product(self) -> (&'static Kernel, [usize; 2]) {
        match self {
            Variant::Registers => (&program::product_rows::KERNEL, [8, 128]),
            Variant::Tiles => (&program::product::KERNEL, [64, 64]),
        }
    }

    /// Groups of eight pairs in a workgroup of `forward`, at most.
    pub(crate) fn groups(self) -> u32 {
        match self {
            Variant::Registers => 1,
            Variant::Tiles => 4,
        }
    }
}
