//! The first screen of a cell: what analyses say of it in a sentence each, and figures that tell
//! its story.
//!
//! Knows an analysis by what it declares alone: its headlines, and the roles of its figures.

use grokrun_store::FoundFiles;
use serde_json::Value;

use super::Place;
use super::section::Section;
use crate::texts::Texts;

/// The most circles.
const MOST_CIRCLES: usize = 8;

/// What a figure shows, where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// losses over epochs that tell the phases apart
    Losses,
    /// a number for each component
    Spectrum,
    /// the tokens in the plane of a component
    Circle,
}

impl Role {
    /// Reads the role in the `meta` of a figure.
    pub(super) fn of(figure: &Value) -> Option<Role> {
        match figure["layout"]["meta"]["role"].as_str()? {
            "losses" => Some(Role::Losses),
            "spectrum" => Some(Role::Spectrum),
            "circle" => Some(Role::Circle),
            // That of a plugin for a newer report.
            _ => None,
        }
    }
}

/// The first screen of a cell.
pub(super) struct Opening {
    /// a sentence each, in the order of the analyses
    pub(super) headlines: Vec<String>,
    /// losses and spectrum
    pub(super) figures: Vec<Place>,
    pub(super) circles: Vec<Place>,
}

impl Opening {
    /// Takes the figures of the first screen out of the sections: the first of losses, the first
    /// spectrum, and circles. Each section says which figures it gave.
    pub(super) fn of(headlines: Vec<String>, sections: &mut [Section]) -> Opening {
        let mut opening = Opening {
            headlines,
            figures: Vec::new(),
            circles: Vec::new(),
        };
        for role in [Role::Losses, Role::Spectrum] {
            let taken = sections
                .iter_mut()
                .find_map(|section| section.give(role, 1).pop());
            opening.figures.extend(taken);
        }
        for section in sections {
            let room = MOST_CIRCLES - opening.circles.len();
            opening.circles.extend(section.give(Role::Circle, room));
        }
        opening
    }
}

/// Returns the headlines of all analyses, as far as the page has room.
pub(super) fn headlines(analyses: &[FoundFiles], texts: &mut Texts) -> Vec<String> {
    let all = analyses.iter().flat_map(|found| &found.index.headlines);
    all.map(|text| texts.take(text, "findings.json of an analysis"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_what_the_figure_says_of_itself() {
        let of = |role: Value| Role::of(&json!({ "layout": { "meta": { "role": role } } }));
        assert_eq!(of(json!("circle")), Some(Role::Circle));
        assert_eq!((of(json!("map")), of(json!(3))), (None, None));
        assert_eq!(Role::of(&json!({ "data": [] })), None);
    }
}
