//! Writes a page that trains a model in the visitor's browser: one file with the recording of a
//! cell, a player of recordings, and the curves of the native run.
//!
//! Owns the page and the form in which a recording travels (`wire`). Knows nothing of models and of
//! devices: the recording has all of both. The style is that of the report. Text is escaped by the
//! template, and data stands in a script of type JSON in which no `<` is left.

mod basis;
mod native;
mod wire;

use askama::Template;
use grokrun_basis::Basis;
use grokrun_engine::{EpochRow, Playback, Tensor};
use grokrun_report::assets;
use grokrun_sweeps::{ACCURACY, HOLD};
use serde::Serialize;

pub use basis::{Shown, shown};
pub use wire::{FORMAT, Wire, WireError};

/// The player, the charts and the page, in the order in which they need each other.
const SCRIPTS: [&str; 3] = [
    include_str!("../templates/player.js"),
    include_str!("../templates/charts.js"),
    include_str!("../templates/page.js"),
];

/// Says why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The template failed.
    #[error("the page cannot be written: {0}")]
    Template(#[from] askama::Error),
    /// The data is none.
    #[error("the page cannot be written: {0}")]
    Data(#[from] serde_json::Error),
}

/// What the page says.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The cell's id.
    pub cell: String,
    /// The task, in words.
    pub heading: String,
    /// What the embedding is called.
    pub embedding: String,
    /// What the spectrum shows.
    pub spectrum: String,
    /// What the circles show.
    pub circles: String,
    /// Name and value of what else there is to know.
    pub facts: Vec<(String, String)>,
}

/// All that a page is made of.
pub struct Contents<'a> {
    /// What it says.
    pub about: About,
    /// The cell, recorded for GPUs, and for processors that play one.
    pub playbacks: [&'a Playback; 2],
    /// The rows that tokens look up, in the recording's buffer of parameters.
    pub embedding: &'a Tensor,
    /// The basis of functions on the tokens that the embedding is shown in.
    pub basis: &'a Basis,
    /// The processor of the native run, in words.
    pub device: &'a str,
    /// The native run, epoch by epoch; the page trains as many epochs.
    pub rows: &'a [EpochRow],
    /// The embedding of the native run after some epochs.
    pub embeddings: &'a [(u64, Vec<f32>)],
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    about: About,
    version: &'static str,
    style: &'static str,
    own_style: &'static str,
    accuracy: u32,
    hold: u64,
    data: String,
    script: String,
}

/// What the scripts read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    gpu: Wire,
    software: Wire,
    epochs: usize,
    basis: Functions,
    native: native::Native,
    solved: Solved,
}

/// The basis as data: the page knows no formula of it.
#[derive(Serialize)]
struct Functions {
    /// `(size, size)`, base64 of f32: row i as a function of the token
    matrix: String,
    size: usize,
    components: Vec<Component>,
    /// the tokens of the group, in its order
    inside: Vec<usize>,
}

#[derive(Serialize)]
struct Component {
    name: String,
    /// its first row, and the one after its last
    first: usize,
    end: usize,
}

#[derive(Serialize)]
struct Solved {
    accuracy: f64,
    hold: u64,
}

impl Functions {
    fn of(basis: &Basis) -> Functions {
        let matrix: Vec<f32> = basis.matrix().iter().map(|x| *x as f32).collect();
        let component = |one: &grokrun_basis::Component| Component {
            name: one.name.clone(),
            first: one.rows.start,
            end: one.rows.end,
        };
        Functions {
            matrix: wire::numbers(&matrix),
            size: basis.modulus(),
            components: basis.components().iter().map(component).collect(),
            inside: basis.order().to_vec(),
        }
    }
}

/// Makes the page.
///
/// # Errors
/// When the data cannot be written as JSON.
pub fn page(contents: Contents<'_>) -> Result<String, PageError> {
    let [gpu, software] = contents
        .playbacks
        .map(|one| Wire::of(one, contents.embedding));
    let data = Data {
        gpu,
        software,
        epochs: contents.rows.len(),
        basis: Functions::of(contents.basis),
        native: native::Native::of(contents.device, contents.rows, contents.embeddings),
        solved: Solved {
            accuracy: ACCURACY,
            hold: HOLD,
        },
    };
    let page = Page {
        about: contents.about,
        version: env!("CARGO_PKG_VERSION"),
        style: assets::STYLE,
        own_style: include_str!("../templates/page.css"),
        accuracy: (100.0 * ACCURACY).round() as u32,
        hold: HOLD,
        // The only place where `<` can stand is inside of a string.
        data: serde_json::to_string(&data)?.replace('<', "\\u003c"),
        script: SCRIPTS.concat(),
    };
    Ok(page.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_short_and_ask_for_nothing_outside() {
        let lines: usize = SCRIPTS.iter().map(|script| script.lines().count()).sum();
        assert!(lines < 600, "{lines} lines");
        for script in SCRIPTS {
            for word in ["fetch(", "http:", "https:", "import(", "eval(", "</script"] {
                assert!(!script.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn nothing_of_a_spec_becomes_markup_and_all_data_is_json() {
        let playback = wire::tests::playback();
        let row = EpochRow {
            train_loss: 1.0,
            test_loss: 2.0,
            train_accuracy: 0.5,
            test_accuracy: f64::NAN,
        };
        let html = page(Contents {
            about: About {
                heading: "<script>a</script>".to_owned(),
                ..About::default()
            },
            playbacks: [&playback; 2],
            embedding: &playback.tensors[0],
            basis: &Basis::additive(5),
            device: "</script><b>",
            rows: &[row; 3],
            embeddings: &[(0, vec![0.0; 20])],
        });
        let html = html.unwrap();
        assert!(!html.contains("<script>a") && !html.contains("<b>"));
        assert_eq!(html.matches("</script>").count(), 2);
        let (_, data) = html.split_once("id=\"recording\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["epochs"], 3);
        assert_eq!(data["native"]["device"], "</script><b>");
        assert_eq!(data["gpu"]["record"]["train"], 12);
    }

    #[test]
    fn the_basis_is_data_and_its_components_tile_the_group() {
        let basis = Basis::multiplicative(11).unwrap();
        let functions = Functions::of(&basis);
        assert_eq!((functions.size, functions.inside.len()), (11, 10));
        let mut next = 2;
        for component in &functions.components {
            assert_eq!(component.first, next);
            next = component.end;
        }
        assert_eq!(next, 11);
    }
}
