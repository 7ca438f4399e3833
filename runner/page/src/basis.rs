//! In which basis the embedding is shown, and what the page says of it.

use grokrun_basis::{Basis, Space};

/// A basis of functions on the tokens, with its words.
pub struct Shown {
    /// the basis
    pub basis: Basis,
    /// what the spectrum shows
    pub spectrum: String,
    /// what the circles show
    pub circles: String,
}

/// Chooses the basis that analyses choose for an operation by its labels `(p²)`, none where it has
/// another number of operands than two. Where operands have no components of their own, or none
/// were found, it is the additive one, and the words say so.
pub fn shown(labels: Option<&[Option<u32>]>, p: usize, operation: &str) -> Shown {
    let space = labels.map(|labels| Space::choose("auto", labels, p, operation));
    let (basis, kind) = match space {
        None => (
            Basis::additive(p),
            "frequency, in the additive basis: analyses choose none for so many operands".to_owned(),
        ),
        Some(Err(error)) => (
            Basis::additive(p),
            format!("frequency, in the additive basis: {error}"),
        ),
        Some(Ok(space)) if space.operands().is_none() => (
            Basis::additive(p),
            "frequency, in the additive basis: the operands have no components of their own under this operation".to_owned(),
        ),
        Some(Ok(space)) => {
            let basis = space.basis().clone();
            let kind = match (basis.is_cyclic(), basis.root()) {
                (true, None) => "frequency of the residue".to_owned(),
                (true, Some(root)) => format!("frequency of the logarithm to base {root}"),
                (false, _) => "representation of the group".to_owned(),
            };
            (basis, kind)
        }
    };
    let circles = if basis.is_cyclic() {
        "each token in the plane of a frequency's cosine and sine, its hue by its place in the group"
    } else {
        "each token in the plane of the two strongest matrix entries of a representation"
    };
    Shown {
        spectrum: format!("norm by {kind}"),
        circles: circles.to_owned(),
        basis,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(p: u32, of: impl Fn(u32, u32) -> u32) -> Vec<Option<u32>> {
        (0..p * p).map(|i| Some(of(i / p, i % p) % p)).collect()
    }

    #[test]
    fn the_words_say_which_basis_it_is_and_why() {
        let shown_of = |labels: &[Option<u32>]| shown(Some(labels), 7, "x");
        let add = shown_of(&labels(7, |a, b| a + b));
        assert_eq!(add.spectrum, "norm by frequency of the residue");
        let mul = shown_of(&labels(7, |a, b| a * b));
        assert_eq!(mul.basis.root(), Some(3));
        assert!(mul.spectrum.contains("base 3"));
        let neither = shown_of(&labels(7, |a, b| a * a + b));
        assert!(neither.spectrum.contains("no components of their own"));
        assert!(
            shown(None, 7, "a + b + c")
                .spectrum
                .contains("so many operands")
        );
    }
}
