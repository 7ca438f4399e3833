//! Converts between tuples of operands and their indices: `a` slow, the last operand fast.

use crate::operation::MAX_OPERANDS;

/// Returns the operands of the tuple with an index; operands that the tuple does not have are 0.
pub(crate) fn operands_of(index: u64, modulus: u32, operands: usize) -> [u32; MAX_OPERANDS] {
    let modulus = u64::from(modulus);
    let mut tuple = [0; MAX_OPERANDS];
    let mut rest = index;
    for operand in tuple.iter_mut().take(operands).rev() {
        *operand = (rest % modulus) as u32;
        rest /= modulus;
    }
    tuple
}
