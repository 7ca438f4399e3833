//! Compares both product kernels with their twin in f64 and bit by bit with each other, around the
//! sizes of their tiles.

use grokrun_shaders::{Kernel, twins};

use super::super::arena::Place;
use super::super::plan::{Matrix, Plan, Product};
use super::super::variant::Variant;
use super::probe::{Probe, REPLICAS, Shelf, both, close, numbers};

const BOTH: [Variant; 2] = [Variant::Registers, Variant::Tiles];
/// Sizes around 8 and 64 rows, 64 and 128 columns, and 4 and 32 of k.
const ROWS: [usize; 7] = [1, 7, 8, 9, 63, 64, 65];
const COLUMNS: [usize; 8] = [1, 4, 5, 63, 64, 65, 128, 129];
const DEPTHS: [usize; 5] = [1, 4, 31, 32, 33];

fn transposed(x: &[f64], [rows, cols]: [usize; 2]) -> Vec<f64> {
    (0..rows * cols)
        .map(|i| x[(i % rows) * cols + i / rows])
        .collect()
}

/// A matrix of each replica, stored as such or transposed.
struct Stored {
    numbers: Vec<Vec<f64>>,
    places: [Place; 2],
}

impl Stored {
    fn new(shelf: &mut Shelf, seed: u64, [rows, cols]: [usize; 2]) -> Stored {
        let numbers = both(|r| numbers(seed + r as u64, rows * cols));
        let flipped = both(|r| transposed(&numbers[r], [rows, cols]));
        let places = [
            shelf.put([rows, cols], &numbers),
            shelf.put([cols, rows], &flipped),
        ];
        Stored { numbers, places }
    }

    fn matrix(&self, flipped: bool) -> Matrix {
        let matrix = Matrix::of(self.places[usize::from(flipped)]);
        if flipped { matrix.t() } else { matrix }
    }
}

/// Runs products in one dispatch; returns the entries at each place.
fn run(
    probe: &Probe,
    kernel: &'static Kernel,
    variant: Variant,
    shelf: &Shelf,
    products: &[Product],
    places: &[Place],
) -> Vec<Vec<Vec<f64>>> {
    let mut plan = Plan::default();
    let level = plan.products(products, variant.tile());
    let arena = probe.arena(shelf);
    let words = [level.first, level.count, shelf.stride()];
    let plan = probe.words(plan.words());
    let y = level.count.div_ceil(65_535);
    let grid = [level.count.div_ceil(y), y, REPLICAS];
    probe.run(kernel, &words, &[&plan, &arena], grid);
    let read = |place: &Place| probe.tables(&arena, shelf, *place);
    places.iter().map(read).collect()
}

#[test]
fn products_of_every_layout_and_size() {
    let Some(probe) = Probe::open() else { return };
    for k in DEPTHS {
        let mut shelf = Shelf::default();
        let left = ROWS.map(|m| Stored::new(&mut shelf, 1 + m as u64, [m, k]));
        let right = COLUMNS.map(|n| Stored::new(&mut shelf, 3 + n as u64, [k, n]));
        let rank = 3;
        let left_more = ROWS.map(|m| Stored::new(&mut shelf, 5 + m as u64, [m, rank]));
        let right_more = COLUMNS.map(|n| Stored::new(&mut shelf, 7 + n as u64, [rank, n]));
        let mut products = Vec::new();
        let mut cases = Vec::new();
        for (i, m) in ROWS.into_iter().enumerate() {
            for (j, n) in COLUMNS.into_iter().enumerate() {
                for flips in [[false; 2], [true, false], [false, true], [true; 2]] {
                    let out = shelf.blank([m, n]);
                    let product = Product::new(m, n, Matrix::of(out))
                        .plus(k, left[i].matrix(flips[0]), right[j].matrix(flips[1]))
                        .plus(
                            rank,
                            left_more[i].matrix(flips[1]),
                            right_more[j].matrix(flips[0]),
                        )
                        .scaled(0.5);
                    products.push(product);
                    cases.push((i, j, out));
                }
            }
        }
        let places: Vec<Place> = cases.iter().map(|(_, _, place)| *place).collect();
        let got = BOTH.map(|variant| {
            run(
                &probe,
                variant.product(),
                variant,
                &shelf,
                &products,
                &places,
            )
        });
        assert_eq!(got[0], got[1], "the same bits in both variants, k = {k}");
        for ((i, j, _), got) in cases.iter().zip(&got[0]) {
            let (m, n) = (ROWS[*i], COLUMNS[*j]);
            for (r, got) in got.iter().enumerate() {
                let segments = [
                    (k, &left[*i].numbers[r][..], &right[*j].numbers[r][..]),
                    (rank, &left_more[*i].numbers[r], &right_more[*j].numbers[r]),
                ];
                let want = twins::product([m, n], 0.5, &segments);
                assert_eq!(want, twins::product_tiled([m, n], 0.5, &segments));
                close(&format!("{m} x {k} x {n}"), got, &want, 2e-6);
            }
        }
    }
}

/// Tests a sum of 200,000 terms, which is exact only if every term was added. A driver that
/// silently ends a loop after 65,535 rounds, as Mesa 22 does, would lose the other terms.
#[test]
fn long_sums_lose_nothing() {
    let Some(probe) = Probe::open() else { return };
    let k = 200_000;
    let mut shelf = Shelf::default();
    let ones = both(|_| vec![1.0; k]);
    let place = shelf.put([1, k], &ones);
    let out = shelf.blank([1, 1]);
    let row = Matrix::of(place);
    let product = [Product::new(1, 1, Matrix::of(out)).plus(k, row, row.t())];
    for variant in BOTH {
        let got = run(&probe, variant.product(), variant, &shelf, &product, &[out]);
        assert_eq!(got, [[[k as f64]; REPLICAS]], "{variant:?}");
    }
}

/// Tests one row of ones again and again, which makes a product a sum of rows, and rows of one head
/// only.
#[test]
fn a_row_again_and_again_and_the_rows_of_a_head() {
    let Some(probe) = Probe::open() else { return };
    let (heads, k, n) = (3, 9, 5);
    let mut shelf = Shelf::default();
    let one = shelf.put([1, 4], &both(|_| vec![1.0, 0.0, 0.0, 0.0]));
    let values = both(|r| numbers(11 + r as u64, k * heads * n));
    let place = shelf.put([k * heads, n], &values);
    let outs = [0, 1, 2].map(|_| shelf.blank([1, n]));
    let ones = Matrix::of(one).every(0).t();
    let products: Vec<Product> = outs
        .iter()
        .enumerate()
        .map(|(h, out)| {
            Product::new(1, n, Matrix::of(*out)).plus(k, ones, Matrix::of_head(place, h, heads))
        })
        .collect();
    for variant in BOTH {
        let got = run(&probe, variant.product(), variant, &shelf, &products, &outs);
        for (h, got) in got.iter().enumerate() {
            for r in 0..REPLICAS {
                let rows = values[r].chunks_exact(n).skip(h).step_by(heads);
                let rows: Vec<f64> = rows.flatten().copied().collect();
                close("rows", &got[r], &twins::sums_of_parts(&rows, n), 1e-6);
            }
        }
    }
}
