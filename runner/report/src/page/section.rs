//! The section of an analysis: what it found, in figures, words and tables.

use grokrun_store::{FoundFiles, FoundSeries};

use super::opening::Role;
use super::{Figures, Place};
use crate::components::Components;
use crate::gather::Flaws;
use crate::phases::Phases;
use crate::texts::Texts;
use crate::{story, unshown};

/// A table of findings.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// how many rows are left out, and the file that has them
    pub(super) more: Option<String>,
}

/// How the figures of a cell look: what is the same in all of them.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    /// the phases that are shaded
    pub(super) phases: &'a Phases,
    /// the colours of components
    pub(super) components: &'a Components,
}

/// The findings of an analysis.
pub(super) struct Section {
    /// the anchor to link to
    pub(super) anchor: String,
    pub(super) name: String,
    pub(super) version: String,
    /// the summary of the analysis, one line
    pub(super) summary: String,
    pub(super) definition: String,
    pub(super) failure: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) figures: Vec<Place>,
    /// the titles of figures that stand on the first screen instead
    pub(super) given: Vec<String>,
    pub(super) tables: Vec<Table>,
    pub(super) parameters: Vec<(String, String)>,
}

impl Section {
    /// Makes the section of findings; `series` are those that its figures may leave out.
    pub(super) fn of(
        found: FoundFiles,
        series: &FoundSeries,
        anchor: String,
        style: Style<'_>,
        figures: &mut Figures,
        texts: &mut Texts,
        flaws: &mut Flaws,
    ) -> Section {
        let whole = "findings.json of this analysis";
        let index = &found.index;
        let mut text = |text: &String| texts.take(text, whole);
        let [name, version, summary, definition] = [
            &index.analysis,
            &index.version,
            &index.summary,
            &index.definition,
        ]
        .map(&mut text);
        let failure = index.failure.as_ref().map(text);
        let so_far = index.so_far.map(|epoch| {
            format!("So far, up to epoch {epoch}: the analysis has not concluded, which it does when the cell is trained.")
        });
        let notes = so_far.iter().chain(&index.notes);
        let notes: Vec<&str> = notes.map(String::as_str).collect();
        let notes = texts.all(&notes, whole);
        let parameters = story::parameters(&index.parameters).into_iter();
        let parameters = parameters
            .map(|(key, value)| (texts.take(&key, whole), texts.take(&value, whole)))
            .collect();
        let mut tables = Vec::new();
        for (name, table) in &found.tables {
            let (columns, rows) = story::table(table);
            if rows.is_empty() {
                continue;
            }
            let file = format!("{name}.table.json of this analysis");
            let columns = columns.iter().map(|column| texts.take(column, &file));
            let columns = columns.collect();
            let (rows, left_out) = texts.rows(rows, &file);
            let more = (left_out > 0).then(|| format!("… and {left_out} more rows in {file}"));
            tables.push(Table {
                name: name.clone(),
                columns,
                rows,
                more,
            });
        }
        let mut drawn = Vec::new();
        for (_, file) in &found.figures {
            match file.read() {
                Ok(figure) => drawn.push(figure),
                Err(error) => flaws.add(error.to_string()),
            }
        }
        let left_out = unshown::figures(series, &drawn);
        let own = drawn.into_iter().map(|figure| (figure, "figure"));
        let all = own.chain(left_out.into_iter().map(|figure| (figure, "figure small")));
        let figures = all.map(|(mut figure, class)| {
            style.components.paint(&mut figure);
            let class = match Role::of(&figure) {
                Some(Role::Losses) => {
                    style.phases.shade(&mut figure, true);
                    class
                }
                Some(Role::Circle) => "figure circle",
                _ => {
                    style.phases.shade_if_over_epochs(&mut figure);
                    class
                }
            };
            figures.add(figure, class)
        });
        Section {
            anchor,
            name,
            version,
            summary,
            definition,
            failure,
            notes,
            tables,
            parameters,
            figures: figures.collect(),
            given: Vec::new(),
        }
    }

    /// Gives away the first figures with a role, at most so many.
    pub(super) fn give(&mut self, role: Role, most: usize) -> Vec<Place> {
        let (mut given, mut kept) = (Vec::new(), Vec::new());
        for place in std::mem::take(&mut self.figures) {
            if place.role == Some(role) && given.len() < most {
                self.given.push(place.title.clone());
                given.push(place);
            } else {
                kept.push(place);
            }
        }
        self.figures = kept;
        given
    }
}
