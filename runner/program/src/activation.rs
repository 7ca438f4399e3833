//! Activation functions and their slopes, for any precision.

use crate::architecture::Activation;
use crate::interpret::Real;

/// The constants of the tanh form of GELU: √(2/π) and the factor of the cubic term.
const TANH_FORM: [f64; 2] = [0.797_884_560_802_865_4, 0.044_715];

/// Returns act(x).
pub fn value<T: Real>(kind: Activation, x: T) -> T {
    match kind {
        Activation::Relu => {
            // A value that is not a number is not below zero, so ReLU returns it unchanged.
            if x < T::ZERO { T::ZERO } else { x }
        }
        Activation::Quadratic => x * x,
        Activation::Power(power) => (0..power).fold(T::ONE, |product, _| product * x),
        Activation::Identity => x,
        _ => T::from_f64(smooth(kind, x.to_f64())[0]),
    }
}

/// Returns act′(x). The slope of ReLU at 0 is 0, as in torch.
pub fn slope<T: Real>(kind: Activation, x: T) -> T {
    match kind {
        Activation::Relu => {
            if x > T::ZERO {
                T::ONE
            } else {
                T::ZERO
            }
        }
        Activation::Quadratic => x + x,
        Activation::Power(power) => {
            let rest = (1..power).fold(T::ONE, |product, _| product * x);
            T::from_f64(f64::from(power)) * rest
        }
        Activation::Identity => T::ONE,
        _ => T::from_f64(smooth(kind, x.to_f64())[1]),
    }
}

/// Returns the value and the slope of the functions that need exponentials.
fn smooth(kind: Activation, x: f64) -> [f64; 2] {
    match kind {
        Activation::Gelu => {
            let below = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            let density = libm::exp(-0.5 * x * x) / std::f64::consts::TAU.sqrt();
            [x * below, below + x * density]
        }
        Activation::GeluTanh => {
            let [root, cubic] = TANH_FORM;
            let t = libm::tanh(root * (x + cubic * x * x * x));
            let inner = root * (1.0 + 3.0 * cubic * x * x);
            [
                0.5 * x * (1.0 + t),
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner,
            ]
        }
        Activation::Silu => {
            let gate = 1.0 / (1.0 + libm::exp(-x));
            [x * gate, gate * (1.0 + x * (1.0 - gate))]
        }
        Activation::Tanh => {
            let t = libm::tanh(x);
            [t, 1.0 - t * t]
        }
        // The other functions need no exponential and are computed in the precision of `x`.
        Activation::Relu | Activation::Quadratic | Activation::Power(_) | Activation::Identity => {
            [f64::NAN; 2]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_finite_differences() {
        let kinds = [
            Activation::Relu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Quadratic,
            Activation::Power(3),
            Activation::Power(4),
            Activation::Silu,
            Activation::Tanh,
            Activation::Identity,
        ];
        for kind in kinds {
            for x in [-3.0, -0.7, 0.2, 1.9f64] {
                let h = 1e-6;
                let difference = (value(kind, x + h) - value(kind, x - h)) / (2.0 * h);
                assert!((slope(kind, x) - difference).abs() < 1e-7, "{kind:?} {x}");
            }
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(value(Activation::Relu, -1.0f32), 0.0);
        assert!((value(Activation::Gelu, 1.0f64) - 0.841_344_746_068_542_9).abs() < 1e-15);
        assert!((value(Activation::GeluTanh, 1.0f64) - 0.841_191_990_608_276).abs() < 1e-12);
        assert!((value(Activation::Silu, 1.0f64) - 0.731_058_578_630_004_9).abs() < 1e-15);
        assert_eq!(value(Activation::Power(3), -2.0f32), -8.0);
    }
}
