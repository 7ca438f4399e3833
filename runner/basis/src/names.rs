//! Names the irreducible representations of a group as the literature does, and orders them.
//!
//! Owns names alone. What a group's name does not tell is named by degree: `2d`, or `3d_a`, `3d_b`
//! where there are several (doc/definitions.md#names-of-representations).

use std::f64::consts::TAU;

use grokrun_task::Group;

use crate::cayley::GroupTable;
use crate::irreducible::{Irreducible, irreducible};

/// Characters that are closer than this are one.
const SAME: f64 = 1e-6;
/// What stands between the names of the factors of a direct product, in the group's name.
const PRODUCT: &str = " x ";

/// Orders the irreducible representations of a group and names each. `group` is the group if it is
/// known by name; its elements are numbered as in `table`.
pub(crate) fn named(
    table: &GroupTable,
    mut all: Vec<Irreducible>,
    group: Option<&Group>,
) -> Vec<(String, Irreducible)> {
    let known: Vec<Known> = group.map_or_else(Vec::new, |group| known(table, group));
    let name_of = |one: &Irreducible| {
        let found = known.iter().position(|known| is(&known.character, one));
        found.map(|place| (place, known[place].name.clone()))
    };
    // Of those of one degree and without a name, the one whose character is larger where they first
    // differ is first; of a symmetric group the one that is smaller at a transposition, as in the
    // published code for S5.
    let transposition = group.and_then(|group| transposition(table, group));
    let key = |one: &Irreducible| {
        let place = name_of(one).map_or(usize::MAX, |(place, _)| place);
        let at = transposition.map_or(0.0, |g| (one.character[g] * 1e3).round());
        (place, at)
    };
    all.sort_by(|x, y| {
        let (x_key, y_key) = (key(x), key(y));
        let trivial = |one: &Irreducible| !is(&vec![1.0; table.order()], one);
        let by_degree = trivial(x)
            .cmp(&trivial(y))
            .then(x.degree.cmp(&y.degree))
            .then(x_key.0.cmp(&y_key.0))
            .then(x_key.1.total_cmp(&y_key.1));
        let pairs = x.character.iter().zip(&y.character);
        let differ = pairs.map(|(x, y)| y - x).find(|d| d.abs() > SAME);
        by_degree.then(differ.map_or(std::cmp::Ordering::Equal, |d| d.total_cmp(&0.0)))
    });
    let mut names: Vec<Option<String>> = all.iter().map(|one| Some(name_of(one)?.1)).collect();
    if let Some(trivial) = names.first_mut() {
        *trivial = Some("trivial".to_owned());
    }
    let signs = all.iter().skip(1).filter(|one| one.degree == 1).count();
    let of_degree = |names: &[Option<String>], degree: usize| -> usize {
        let pairs = all.iter().zip(names);
        pairs
            .filter(|(one, name)| one.degree == degree && name.is_none())
            .count()
    };
    let counts: Vec<usize> = all
        .iter()
        .map(|one| of_degree(&names, one.degree))
        .collect();
    let mut used = std::collections::BTreeMap::new();
    for (place, one) in all.iter().enumerate() {
        if names[place].is_some() {
            continue;
        }
        let number = used.entry(one.degree).or_insert(0usize);
        let real = one.rows.len() == 1;
        names[place] = Some(match (one.degree, counts[place]) {
            (1, _) if signs == 1 && real => "sign".to_owned(),
            (degree, 1) => format!("{degree}d"),
            (degree, _) => format!("{degree}d_{}", letters(*number)),
        });
        *number += 1;
    }
    names
        .into_iter()
        .map(Option::unwrap_or_default)
        .zip(all)
        .collect()
}

/// a, b, … z, ba, bb and so on.
fn letters(mut number: usize) -> String {
    let mut text = Vec::new();
    loop {
        text.push(b'a' + (number % 26) as u8);
        number /= 26;
        if number == 0 {
            break;
        }
    }
    text.reverse();
    String::from_utf8_lossy(&text).into_owned()
}

/// A representation that the name of the group tells.
struct Known {
    name: String,
    /// as that of [`Irreducible`]
    character: Vec<f64>,
}

fn is(character: &[f64], one: &Irreducible) -> bool {
    let pairs = character.iter().zip(&one.character);
    character.len() == one.character.len() && pairs.into_iter().all(|(x, y)| (x - y).abs() < SAME)
}

/// The representations that the name of a group tells, in the order in which they are listed.
fn known(table: &GroupTable, group: &Group) -> Vec<Known> {
    let name = group.name();
    if name.contains(PRODUCT) {
        return of_product(table, group);
    }
    let family: String = name
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    let number: usize = name[family.len()..].parse().unwrap_or(0);
    let elements: Vec<String> = (0..group.order())
        .map(|g| group.element_name(g).unwrap_or_default())
        .collect();
    let all = |f: &dyn Fn(&str) -> f64| elements.iter().map(|name| f(name)).collect::<Vec<f64>>();
    let mut known = Vec::new();
    let mut tell = |name: &str, character: Vec<f64>| {
        known.push(Known {
            name: name.to_owned(),
            character,
        });
    };
    match family.as_str() {
        "S" | "A" => {
            let standard = |g: &str| fixed_points(g) - 1.0;
            if family == "S" {
                tell("sign", all(&parity));
            }
            tell("standard", all(&standard));
            if family == "S" {
                tell("std⊗sign", all(&|g| standard(g) * parity(g)));
            }
        }
        "D" | "Dic" => {
            let turns = if family == "D" { number } else { 2 * number };
            // What is no turn has the character 0 in a representation of degree 2.
            let turned = |g: &str, of_turn: &dyn Fn(f64) -> f64| match turn(g) {
                Some(turn) => of_turn(turn as f64),
                None => 0.0,
            };
            if family == "D" {
                tell("sign", all(&|g| if turn(g).is_some() { 1.0 } else { -1.0 }));
            }
            for k in 1..turns.div_ceil(2) {
                let angle = |turn: f64| 2.0 * (TAU * k as f64 * turn / turns as f64).cos();
                tell(&format!("2d_{k}"), all(&|g| turned(g, &angle)));
            }
        }
        "C" => {
            for k in 1..=number / 2 {
                let times = if 2 * k == number { 1.0 } else { 2.0 };
                let wave = |g: &str| {
                    let place: f64 = g.parse().unwrap_or(f64::NAN);
                    times * (TAU * k as f64 * place / number as f64).cos()
                };
                tell(&k.to_string(), all(&wave));
            }
        }
        _ => {}
    }
    known
}

/// How many points a permutation in one-line notation leaves where they are.
fn fixed_points(one_line: &str) -> f64 {
    let digits = one_line.bytes().enumerate();
    digits
        .filter(|(i, digit)| usize::from(digit - b'0') == *i)
        .count() as f64
}

/// 1 for an even permutation in one-line notation, −1 for an odd one.
fn parity(one_line: &str) -> f64 {
    let digits = one_line.as_bytes();
    let inversions = (0..digits.len()).map(|i| {
        let later = &digits[i + 1..];
        later.iter().filter(|digit| **digit < digits[i]).count()
    });
    if inversions.sum::<usize>() % 2 == 0 {
        1.0
    } else {
        -1.0
    }
}

/// i of `ri` in a dihedral group or `ai` in a dicyclic one; none for what is no turn.
fn turn(element: &str) -> Option<usize> {
    element[1.min(element.len())..].parse().ok()
}

/// An element that exchanges two points, of a symmetric group.
fn transposition(table: &GroupTable, group: &Group) -> Option<usize> {
    let degree: usize = group.name().strip_prefix('S')?.parse().ok()?;
    let moves_two = |g: &usize| {
        let name = group.element_name(*g as u32).unwrap_or_default();
        fixed_points(&name) + 2.0 == degree as f64
    };
    (0..table.order()).find(moves_two)
}

/// Those of a direct product are the products of those of the factors: `(standard, sign)`. Where a
/// product of two pairs of conjugates is no representation but splits, none is named.
fn of_product(table: &GroupTable, group: &Group) -> Vec<Known> {
    let mut whole = vec![(Vec::<String>::new(), vec![1.0; table.order()])];
    let texts: Vec<&str> = group.name().split(PRODUCT).collect();
    for (place, text) in texts.iter().enumerate() {
        let Some(factor) = factor(text) else {
            return Vec::new();
        };
        let Some(elements) = elements_of_factor(group, texts.len(), place, &factor.0) else {
            return Vec::new();
        };
        whole = whole
            .iter()
            .flat_map(|(names, character)| {
                let elements = &elements;
                factor.1.iter().map(move |(name, one)| {
                    let names = names.iter().cloned().chain([name.clone()]).collect();
                    let values = character.iter().zip(elements);
                    (names, values.map(|(x, g)| x * one.character[*g]).collect())
                })
            })
            .collect();
    }
    let known = whole.into_iter().map(|(names, character)| Known {
        name: format!("({})", names.join(", ")),
        character,
    });
    known.collect()
}

type Factor = (Group, Vec<(String, Irreducible)>);

/// A factor of a product, with its representations.
fn factor(name: &str) -> Option<Factor> {
    let group = Group::parse(name).ok()?;
    let table = GroupTable::of_group(&group)?;
    let all = named(&table, irreducible(&table)?, Some(&group));
    Some((group, all))
}

/// The number in a factor of each element of a product of so many.
fn elements_of_factor(
    group: &Group,
    factors: usize,
    place: usize,
    factor: &Group,
) -> Option<Vec<usize>> {
    let names: Vec<String> = (0..factor.order())
        .map(|g| factor.element_name(g))
        .collect::<Option<_>>()?;
    let of = |g: u32| {
        let name = group.element_name(g)?;
        let parts: Vec<&str> = name.trim_matches(['(', ')']).split(", ").collect();
        let own = parts.get(place).filter(|_| parts.len() == factors)?;
        names.iter().position(|name| name == own)
    };
    (0..group.order()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::table_of;

    fn names(name: &str) -> Vec<String> {
        let (table, group) = (table_of(name), Group::parse(name).unwrap());
        let all = irreducible(&table).unwrap();
        let named = named(&table, all, Some(&group));
        named.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn names_are_those_of_the_literature() {
        assert_eq!(
            names("S5"),
            [
                "trivial",
                "sign",
                "standard",
                "std⊗sign",
                "5d_a",
                "5d_b",
                "6d"
            ]
        );
        assert_eq!(
            names("S4"),
            ["trivial", "sign", "2d", "standard", "std⊗sign"]
        );
        assert_eq!(names("S3"), ["trivial", "sign", "standard"]);
        assert_eq!(names("A5"), ["trivial", "3d_a", "3d_b", "standard", "5d"]);
        assert_eq!(names("D5"), ["trivial", "sign", "2d_1", "2d_2"]);
        assert_eq!(
            names("D6"),
            ["trivial", "sign", "1d_a", "1d_b", "2d_1", "2d_2"]
        );
        assert_eq!(names("Dic2"), ["trivial", "1d_a", "1d_b", "1d_c", "2d_1"]);
    }

    /// Of S5, 5d_a is the published five_221: −1 at a transposition.
    #[test]
    fn of_two_alike_the_published_one_is_first() {
        let (table, group) = (table_of("S5"), Group::parse("S5").unwrap());
        let all = named(&table, irreducible(&table).unwrap(), Some(&group));
        let at = |name: &str| all.iter().find(|(n, _)| n == name).unwrap().1.character[1];
        assert_eq!(group.element_name(1).as_deref(), Some("01243"));
        assert!((at("5d_a") + 1.0).abs() < 1e-9 && (at("5d_b") - 1.0).abs() < 1e-9);
        assert!((at("standard") - 2.0).abs() < 1e-9 && (at("std⊗sign") + 2.0).abs() < 1e-9);
    }

    #[test]
    fn products_are_named_by_their_factors() {
        let all = names("S3 x C2");
        for name in ["(sign, trivial)", "(trivial, 1)", "(standard, 1)"] {
            assert!(all.iter().any(|one| one == name), "{name}: {all:?}");
        }
        // Of C3 x C3 the products of two pairs of conjugates split.
        let split = names("C3 x C3");
        assert_eq!((split.len(), split[0].as_str()), (5, "trivial"));
        assert!(split.iter().any(|one| one == "(1, trivial)"), "{split:?}");
        assert!(split.iter().any(|one| one == "1d_b"), "{split:?}");
    }

    /// Without the group's name, and with its elements in any order, degrees remain.
    #[test]
    fn a_table_without_a_name_has_degrees() {
        let table = table_of("S4");
        let all = named(&table, irreducible(&table).unwrap(), None);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["trivial", "sign", "2d", "3d_a", "3d_b"]);
        assert_eq!([0, 25, 26, 27].map(letters), ["a", "z", "ba", "bb"]);
    }
}
