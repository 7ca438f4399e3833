//! Numbers the elements of groups in the orders of published code, besides our own order.

use std::fmt;

use super::factor::{Factor, Family};
use super::permutations::{Images, Permutations};
use crate::OperationError;

/// The order in which the elements of a group are numbered.
///
/// Splits, labels and the rows of embeddings follow the numbers, so only the order of a publication
/// reproduces its runs and models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ElementOrder {
    /// `lexicographic`: the order of the table in [`Group`](super::Group), the neutral element
    /// first.
    #[default]
    Lexicographic,
    /// `rep-theory`: the order of S4, S5, S6 and A5 in the code of Chughtai et al. 2023.
    RepTheory,
    /// `parity`: the order of Sn and An in the code of Stander et al. 2024: the even permutations
    /// first, then the odd ones, each in lexicographic order.
    Parity,
}

impl ElementOrder {
    /// Every order, in the order of the documentation.
    pub const ALL: [ElementOrder; 3] = [
        ElementOrder::Lexicographic,
        ElementOrder::RepTheory,
        ElementOrder::Parity,
    ];

    /// Returns the name in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            ElementOrder::Lexicographic => "lexicographic",
            ElementOrder::RepTheory => "rep-theory",
            ElementOrder::Parity => "parity",
        }
    }

    /// Returns the order with a name; `None` unless the text is exactly one of the names.
    pub fn from_name(name: &str) -> Option<ElementOrder> {
        ElementOrder::ALL
            .into_iter()
            .find(|order| order.name() == name)
    }
}

impl fmt::Display for ElementOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Maps between the factors' numbers of elements and other numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbering {
    /// The factors' number of each element, in the new order.
    natural: Vec<u32>,
    /// The new number of each element, in the factors' order.
    numbered: Vec<u32>,
}

impl Numbering {
    fn new(natural: Vec<u32>) -> Numbering {
        let mut numbered = vec![0; natural.len()];
        for (new, old) in natural.iter().enumerate() {
            numbered[*old as usize] = new as u32;
        }
        Numbering { natural, numbered }
    }

    pub(super) fn natural(&self, element: u32) -> Option<u32> {
        self.natural.get(element as usize).copied()
    }

    pub(super) fn numbered(&self, natural: u32) -> u32 {
        self.numbered[natural as usize]
    }
}

/// Says why an order is not known for a group.
pub(super) struct Refused {
    order: ElementOrder,
    groups: &'static str,
}

impl Refused {
    pub(super) fn about(self, text: &str, group: &str) -> OperationError {
        let message = format!("no {} order of {group} is known", self.order);
        let expected = format!("one of the groups with such an order: {}", self.groups);
        OperationError::new(0..text.len(), message, expected)
            .help("the lexicographic order exists for every group".to_owned())
    }
}

/// Returns the numbering of an order for a product of factors; `None` if the order is the factors'
/// own.
pub(super) fn numbering(
    order: ElementOrder,
    factors: &[Factor],
) -> Result<Option<Numbering>, Refused> {
    let lone = match factors {
        [factor] => factor.permutations().map(|elements| (factor, elements)),
        _ => None,
    };
    let natural = match order {
        ElementOrder::Lexicographic => return Ok(None),
        ElementOrder::Parity => lone.map(|(factor, elements)| {
            let all = 0..factor.size();
            let (even, odd): (Vec<u32>, Vec<u32>) = all.partition(|a| elements.is_even(*a));
            [even, odd].concat()
        }),
        ElementOrder::RepTheory => lone.and_then(|(factor, elements)| {
            let chain = CHAINS
                .iter()
                .find(|chain| chain.family == factor.family() && chain.size == factor.size())?;
            Some(chain.listed(elements))
        }),
    };
    match natural {
        Some(natural) => Ok(Some(Numbering::new(natural))),
        None => Err(Refused {
            order,
            groups: match order {
                ElementOrder::RepTheory => "S4, S5, S6 and A5",
                ElementOrder::Parity => "Sn and An, alone",
                ElementOrder::Lexicographic => "all",
            },
        }),
    }
}

/// Describes how the code of Chughtai et al. 2023 makes its list: by a chain of stabilizers, as
/// SymPy's Schreier–Sims algorithm builds it. The number of an element, written in mixed radix, has
/// one digit for each transversal; the digit of the first transversal varies fastest. The element
/// is the product of `first` and the elements that the digits pick, beginning with the last
/// transversal. Permutations are in one-line notation.
struct Chain {
    family: Family,
    size: u32,
    first: &'static str,
    transversals: &'static [&'static [&'static str]],
}

/// The chains of the groups whose published lists could be compared with this one.
const CHAINS: [Chain; 4] = [
    Chain {
        family: Family::Symmetric,
        size: 24,
        first: "0123",
        transversals: &[
            &["0123", "1230", "2301", "3120"],
            &["0123", "0231", "0312"],
            &["0123", "0132"],
        ],
    },
    Chain {
        family: Family::Symmetric,
        size: 120,
        first: "01423",
        transversals: &[
            &["01234", "12340", "23401", "34012", "41230"],
            &["01234", "02143", "03412", "04123"],
            &["01234", "01342", "01432"],
            &["01234", "01243"],
        ],
    },
    Chain {
        family: Family::Symmetric,
        size: 720,
        first: "013524",
        transversals: &[
            &["012345", "123450", "234501", "345012", "451230", "512340"],
            &["012345", "021354", "031254", "045123", "051234"],
            &["012345", "013245", "014253", "015243"],
            &["012345", "012534", "012453"],
            &["012345", "012354"],
        ],
    },
    Chain {
        family: Family::Alternating,
        size: 60,
        first: "01234",
        transversals: &[
            &["01234", "12340", "23401", "34012", "42130"],
            &["01234", "02143", "03124", "04213"],
            &["01234", "01342", "01423"],
        ],
    },
];

impl Chain {
    /// Returns the ranks of the elements, in the published order.
    fn listed(&self, elements: &Permutations) -> Vec<u32> {
        let rank = |one_line: &str| {
            let mut images = Images::default();
            for (image, digit) in images.iter_mut().zip(one_line.bytes()) {
                *image = digit - b'0';
            }
            elements.rank(&images)
        };
        let mut listed = vec![rank(self.first)];
        for transversal in self.transversals.iter().rev() {
            let steps: Vec<u32> = transversal.iter().map(|step| rank(step)).collect();
            listed = listed
                .iter()
                .flat_map(|a| steps.iter().map(|step| elements.product(*a, *step)))
                .collect();
        }
        listed
    }
}
