//! f32 and f64 behind one name.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A floating-point number the reference can be run in.
pub trait Real:
    Copy
    + Send
    + PartialOrd
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// f32 or f64
    const NAME: &'static str;
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// from a stored number
    fn from_f32(x: f32) -> Self;
    /// rounds to this type
    fn from_f64(x: f64) -> Self;
    /// exact
    fn to_f64(self) -> f64;
    /// e^self
    fn exp(self) -> Self;
    /// √self
    fn sqrt(self) -> Self;
}

macro_rules! real {
    ($type:ident) => {
        impl Real for $type {
            const NAME: &'static str = stringify!($type);
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
            fn exp(self) -> $type {
                $type::exp(self)
            }
            fn sqrt(self) -> $type {
                $type::sqrt(self)
            }
        }
    };
}

real!(f32);
real!(f64);
