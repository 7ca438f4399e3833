//! Lists the permutations of a few points in lexicographic order, and multiplies them.

/// The largest number of points: 7! is the largest factorial that is allowed as the size of a
/// group.
const MOST: usize = 7;

/// The image of each point; points beyond the degree are not read.
pub(super) type Images = [u8; MOST];

/// All permutations of some points, or the even ones, by rank.
#[derive(Clone, Debug)]
pub(super) struct Permutations {
    degree: usize,
    even_only: bool,
    /// The elements, ascending.
    elements: Vec<Images>,
}

impl Permutations {
    /// Lists all permutations of `degree` points, seven at most.
    pub(super) fn all(degree: usize) -> Permutations {
        let degree = degree.min(MOST);
        let mut current: Images = std::array::from_fn(|i| i as u8);
        let mut elements = vec![current];
        while next(&mut current[..degree]) {
            elements.push(current);
        }
        Permutations {
            degree,
            even_only: false,
            elements,
        }
    }

    /// Lists the even permutations.
    pub(super) fn even(degree: usize) -> Permutations {
        let mut permutations = Permutations::all(degree);
        let degree = permutations.degree;
        permutations
            .elements
            .retain(|images| is_even(&images[..degree]));
        permutations.even_only = true;
        permutations
    }

    /// Returns the rank of "a, then b".
    pub(super) fn product(&self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.images(a), self.images(b));
        self.rank(&a.map(|image| b[usize::from(image)]))
    }

    pub(super) fn inverse(&self, a: u32) -> u32 {
        let images = self.images(a);
        let mut inverse = images;
        for (point, image) in images.iter().enumerate() {
            inverse[usize::from(*image)] = point as u8;
        }
        self.rank(&inverse)
    }

    /// Returns the index of a permutation in the list.
    pub(super) fn rank(&self, images: &Images) -> u32 {
        // Lehmer's code counts, at each point, how many of the images still to come are smaller.
        let (mut rank, mut left) = (0, (1_u32 << self.degree) - 1);
        for (point, image) in images[..self.degree].iter().enumerate() {
            let smaller = left & ((1 << image) - 1);
            rank = rank * (self.degree - point) as u32 + smaller.count_ones();
            left &= !(1 << image);
        }
        // Neighbours in the list of all permutations differ by their last two points, so one of
        // them is even.
        if self.even_only { rank / 2 } else { rank }
    }

    pub(super) fn is_even(&self, a: u32) -> bool {
        is_even(&self.images(a)[..self.degree])
    }

    /// Returns the images of all points, one digit each.
    pub(super) fn one_line(&self, a: u32) -> String {
        let images = self.images(a);
        images[..self.degree].iter().map(u8::to_string).collect()
    }

    fn images(&self, a: u32) -> Images {
        self.elements[a as usize]
    }
}

/// Moves to the next arrangement in lexicographic order; returns false if there is none.
fn next(arrangement: &mut [u8]) -> bool {
    let Some(pivot) = arrangement.windows(2).rposition(|pair| pair[0] < pair[1]) else {
        return false;
    };
    let larger = arrangement.iter().rposition(|x| *x > arrangement[pivot]);
    arrangement.swap(pivot, larger.unwrap_or(pivot));
    arrangement[pivot + 1..].reverse();
    true
}

fn is_even(images: &[u8]) -> bool {
    let inversions = images
        .iter()
        .enumerate()
        .flat_map(|(i, x)| images[i + 1..].iter().map(move |y| x > y))
        .filter(|inverted| *inverted)
        .count();
    inversions % 2 == 0
}
