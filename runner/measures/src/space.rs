//! Chooses the basis of a task, and names its components in findings.

use grokrun_api::serde_json::{Value, json};
use grokrun_api::{Failure, Task};
use grokrun_basis::{BASES, Basis, Space};

/// Makes the space of a task in the basis that `word` asks for.
///
/// # Errors
/// If there is no basis of that name, or none for this task.
pub fn space(word: &str, task: &Task) -> Result<Space, Failure> {
    Space::choose(word, &task.labels, task.modulus, &task.operation)
        .map_err(|error| Failure::new(error.to_string()))
}

/// Checks a spec's word for a basis, before anything runs.
///
/// # Errors
/// If there is no basis of that name; the error names `parameter`.
pub fn check_basis(parameter: &str, word: &str) -> Result<(), Failure> {
    if BASES.contains(&word) {
        Ok(())
    } else {
        Err(Failure::parameter(
            parameter,
            format!("must be one of {}", BASES.join(", ")),
        ))
    }
}

/// Returns a component as a table shows it: its frequency as a number, a representation by name;
/// the number where the basis has no such component.
pub fn shown(basis: &Basis, component: usize) -> Value {
    let name = basis.name_of(component);
    if basis.is_cyclic() || name.is_empty() {
        json!(component)
    } else {
        json!(name)
    }
}

/// Returns the names of components, with commas between.
pub fn listed(basis: &Basis, components: &[usize]) -> String {
    let names: Vec<&str> = components.iter().map(|k| basis.name_of(*k)).collect();
    names.join(", ")
}

/// Returns what a reader of numbers of components has to know: which representation each is; none
/// if they are frequencies.
pub fn numbering(basis: &Basis) -> Option<String> {
    if basis.is_cyclic() {
        return None;
    }
    let one = |(number, component): (usize, &grokrun_basis::Component)| {
        format!("{number} {}", component.name)
    };
    let all: Vec<String> = (1..).zip(basis.components()).map(one).collect();
    Some(format!(
        "where a series or a tensor has the number of a frequency, it is that of a representation: {}",
        all.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::group;
    use grokrun_api::testing::add;

    #[test]
    fn frequencies_are_numbers_and_representations_names() {
        let cyclic = space("auto", &add(7)).unwrap();
        assert_eq!(shown(cyclic.basis(), 3), json!(3));
        assert_eq!(
            (listed(cyclic.basis(), &[1, 3]), numbering(cyclic.basis())),
            ("1, 3".into(), None)
        );
        let other = space("auto", &group("S4")).unwrap();
        assert_eq!(shown(other.basis(), 3), json!("standard"));
        assert_eq!(shown(other.basis(), 0), json!(0));
        assert_eq!(listed(other.basis(), &[1, 4]), "sign, std⊗sign");
        assert!(
            numbering(other.basis())
                .unwrap()
                .ends_with("1 sign, 2 2d, 3 standard, 4 std⊗sign")
        );
        assert!(space("multiplicative", &add(12)).is_err());
        assert!(space("group", &group("S4")).is_ok() && space("waves", &add(7)).is_err());
    }
}
