//! Gives f32 and f64 one name.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point number that programs can be run in.
pub trait Real:
    Copy
    + Default
    + std::fmt::Debug
    + PartialOrd
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// The number 0.
    const ZERO: Self;
    /// The number 1.
    const ONE: Self;
    /// Returns a number that is stored in f32.
    fn from_f32(x: f32) -> Self;
    /// Rounds a number to this type.
    fn from_f64(x: f64) -> Self;
    /// Returns the number exactly.
    fn to_f64(self) -> f64;
    /// Returns √self.
    fn sqrt(self) -> Self;
    /// Returns e^self.
    fn exp(self) -> Self;
}

macro_rules! real {
    ($type:ident, $exp:path) => {
        impl Real for $type {
            const ZERO: $type = 0.0;
            const ONE: $type = 1.0;
            fn from_f32(x: f32) -> $type {
                x.into()
            }
            fn from_f64(x: f64) -> $type {
                x as $type
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn sqrt(self) -> $type {
                $type::sqrt(self)
            }
            fn exp(self) -> $type {
                $exp(self)
            }
        }
    };
}

real!(f32, libm::expf);
real!(f64, libm::exp);
