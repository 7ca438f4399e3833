//! Puts the page together: what is shown, in which order.

use askama::Template;
use grokrun_store::FoundFiles;
use serde_json::Value;

use crate::claims::ClaimRow;
use crate::facts::{facts, heading};
use crate::gather::{Flaws, Gathered};
use crate::groups::{self, Group, Member};
use crate::pack::{self, Packed};
use crate::phases::{Phase, Phases};
use crate::story::Formula;
use crate::texts::Texts;
use crate::{axes, curves, numbers, story, survival};

/// The most cells whose analyses are shown.
const MOST_CELLS: usize = 6;
/// The most bytes of the figures of cells, without their frames; further cells are left out.
const MOST_STATIC: usize = pack::BUDGET / 2;
/// The most flaws that are listed.
const MOST_FLAWS: usize = 20;
/// The most groups of cells that have curves of their own.
const MOST_GROUPS: usize = 12;

/// Holds all that the template needs.
#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct Page {
    name: String,
    version: &'static str,
    heading: String,
    facts: Vec<(String, String)>,
    /// the first flaws: files that are damaged and so not shown
    flaws: Vec<String>,
    /// how many more flaws there are
    more_flaws: usize,
    /// the outcome of the cells, if there are several: group and verdict
    verdicts: Vec<(String, String)>,
    /// the claims of the specs
    claims: Vec<ClaimRow>,
    cells: Vec<Cell>,
    /// one row for each cell, if there are several
    table: Vec<Vec<String>>,
    /// one row for each group, if there are several
    groups: Vec<Vec<String>>,
    overview: Vec<Place>,
    /// small multiples: curves of each group
    multiples: Vec<Place>,
    /// whether the sections of analyses are open at first: those of several cells would bury the
    /// rest
    open: bool,
    /// how many cells' analyses are left out
    hidden: usize,
    /// Plotly's JSON of each figure, packed
    figures: Vec<String>,
    plotly: &'static str,
    script: &'static str,
    style: &'static str,
}

/// The place of a figure on the page.
struct Place {
    number: usize,
    title: String,
    /// its width: the larger the figure, the fewer stand side by side
    class: &'static str,
}

/// One cell.
struct Cell {
    name: String,
    verdict: String,
    class: &'static str,
    formula: Option<Formula>,
    curves: [Place; 2],
    phases: Vec<Phase>,
    phases_from: String,
    analyses: Vec<Section>,
}

/// A table of findings.
struct Table {
    name: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// how many rows are left out, and the file that has them
    more: Option<String>,
}

/// The findings of an analysis.
struct Section {
    /// the anchor to link to
    anchor: String,
    name: String,
    version: String,
    /// the summary of the analysis, one line
    summary: String,
    definition: String,
    failure: Option<String>,
    notes: Vec<String>,
    figures: Vec<Place>,
    tables: Vec<Table>,
    parameters: Vec<(String, String)>,
}

/// Collects the figures of a page.
#[derive(Default)]
struct Figures {
    all: Vec<Packed>,
    size: usize,
}

impl Figures {
    fn add(&mut self, figure: Value, class: &'static str) -> Place {
        let class = if is_tall(&figure) {
            "figure tall"
        } else {
            class
        };
        let mut packed = Packed::of(figure);
        if self.size + packed.size() > pack::BUDGET {
            packed = packed.left_out();
        }
        let title = packed.title().to_owned();
        self.size += packed.size();
        self.all.push(packed);
        Place {
            number: self.all.len() - 1,
            title,
            class,
        }
    }
}

/// Says whether a figure is a heatmap as high as it is wide, p × p for instance, which is drawn as
/// a square.
fn is_tall(figure: &Value) -> bool {
    let trace = &figure["data"][0];
    let rows = trace["z"].as_array().map_or(0, Vec::len);
    trace["type"] == "heatmap" && rows >= 16 && Some(rows) == trace["z"][0].as_array().map(Vec::len)
}

impl Page {
    /// Makes the page of the runs with these names; adds files that cannot be used to the flaws.
    pub(crate) fn of(
        names: &[String],
        gathered: &[Gathered],
        claims: Vec<ClaimRow>,
        flaws: &mut Flaws,
    ) -> Page {
        let name = names.join(", ");
        let mut figures = Figures::default();
        let several = gathered.len() > 1;
        let members = gathered.iter().enumerate().map(|(number, cell)| Member {
            run: (names.len() > 1).then_some(cell.run.as_str()),
            config: &cell.config,
            metrics: &cell.metrics,
            outcome: &cell.outcome,
            link: format!("cell-{number}"),
        });
        let members: Vec<Member> = members.collect();
        let over_axes = match several {
            true => axes::figures(&members, None),
            false => Vec::new(),
        };
        let groups = if several {
            groups::groups(members)
        } else {
            Vec::new()
        };
        let mut overview = Vec::new();
        let mut multiples = Vec::new();
        if several {
            overview.extend(survival::curves(&groups).map(|figure| figures.add(figure, "figure")));
            overview.extend(
                over_axes
                    .into_iter()
                    .map(|figure| figures.add(figure, "figure")),
            );
            // Of many groups each would have a few points, and all the same colours.
            if groups.len() <= MOST_GROUPS {
                overview.push(figures.add(groups::by_seed(&groups), "figure"));
                overview.extend(groups::boxes(&groups).map(|figure| figures.add(figure, "figure")));
            }
            let class = if groups.len() > 2 {
                "figure small"
            } else {
                "figure"
            };
            let curves = groups.iter().take(MOST_GROUPS).flat_map(Group::curves);
            multiples.extend(curves.map(|figure| figures.add(figure, class)));
        }
        let mut cells: Vec<Cell> = Vec::new();
        let mut texts = Texts::new();
        for cell in gathered.iter().take(MOST_CELLS) {
            if !cells.is_empty() && figures.size > MOST_STATIC {
                break;
            }
            let number = cells.len();
            cells.push(Cell::of(cell, number, &mut figures, &mut texts, flaws));
        }
        let verdicts = groups.iter().map(|g| (g.name.clone(), g.verdict()));
        Page {
            version: env!("CARGO_PKG_VERSION"),
            heading: heading(&name, gathered),
            facts: facts(gathered),
            flaws: flaws.0.iter().take(MOST_FLAWS).cloned().collect(),
            more_flaws: flaws.0.len().saturating_sub(MOST_FLAWS),
            verdicts: verdicts.collect(),
            claims,
            table: gathered
                .iter()
                .filter(|_| several)
                .map(Gathered::row)
                .collect(),
            groups: match groups.len() {
                0 | 1 => Vec::new(),
                _ => groups.iter().map(Group::row).collect(),
            },
            overview,
            multiples,
            open: !several,
            hidden: gathered.len() - cells.len(),
            name,
            cells,
            figures: pack::within(&figures.all, pack::BUDGET)
                .iter()
                .map(|json| numbers::in_script(json))
                .collect(),
            plotly: include_str!("../vendor/plotly-cartesian.min.js"),
            script: include_str!("../templates/report.js"),
            style: include_str!("../templates/report.css"),
        }
    }
}

/// Returns every figure of these cells, each with its name as a path: cell, then curve, or analysis
/// and figure.
pub(crate) fn figures(gathered: &[Gathered], flaws: &mut Flaws) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for cell in gathered {
        let (name, analyses) = (&cell.name, cell.analyses(flaws));
        let phases = Phases::of(&analyses, &cell.outcome);
        let [loss, accuracy] = curves::of_cell(&cell.metrics, &phases);
        all.push((format!("{name}/loss"), loss));
        all.push((format!("{name}/accuracy"), accuracy));
        for found in analyses {
            let analysis = found.index["analysis"].as_str().unwrap_or_default();
            for (figure, file) in found.figures {
                match file.read() {
                    Ok(mut json) => {
                        phases.shade_if_over_epochs(&mut json);
                        all.push((format!("{name}/{analysis}-{figure}"), json));
                    }
                    Err(error) => flaws.add(error.to_string()),
                }
            }
        }
    }
    all
}

impl Cell {
    fn of(
        cell: &Gathered,
        number: usize,
        figures: &mut Figures,
        texts: &mut Texts,
        flaws: &mut Flaws,
    ) -> Cell {
        let analyses = cell.analyses(flaws);
        let (verdict, class) = story::verdict(&cell.outcome, cell.training, &cell.config);
        let phases = Phases::of(&analyses, &cell.outcome);
        let curves = curves::of_cell(&cell.metrics, &phases);
        Cell {
            name: cell.name.clone(),
            verdict: texts.take(&verdict, "summary.json"),
            class,
            formula: story::formula(&analyses, &cell.config, &cell.outcome),
            curves: curves.map(|figure| figures.add(figure, "figure")),
            phases_from: match &phases.measured {
                Some(analysis) => format!(
                    "Phases as {analysis} found them; figures over epochs are shaded alike."
                ),
                None => "Phases by accuracy.".to_owned(),
            },
            analyses: analyses
                .into_iter()
                .enumerate()
                .map(|(i, found)| {
                    let anchor = format!("cell-{number}-analysis-{i}");
                    Section::of(found, anchor, &phases, figures, texts, flaws)
                })
                .collect(),
            phases: phases.all,
        }
    }
}

impl Section {
    fn of(
        found: FoundFiles,
        anchor: String,
        phases: &Phases,
        figures: &mut Figures,
        texts: &mut Texts,
        flaws: &mut Flaws,
    ) -> Section {
        let whole = "findings.json of this analysis";
        let said = |key: &str| found.index[key].as_str().unwrap_or_default();
        let mut text = |key: &str| texts.take(said(key), whole);
        let [name, version, summary, definition] =
            ["analysis", "version", "summary", "definition"].map(&mut text);
        let failure = found.index["failure"].is_string().then(|| text("failure"));
        let notes = found.index["notes"].as_array().into_iter().flatten();
        let notes: Vec<&str> = notes.filter_map(Value::as_str).collect();
        let notes = texts.all(&notes, whole);
        let parameters = story::parameters(&found.index["parameters"]).into_iter();
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
            figures: found
                .figures
                .into_iter()
                .filter_map(|(_, file)| {
                    let read = file.read().map_err(|error| flaws.add(error.to_string()));
                    let mut figure = read.ok()?;
                    phases.shade_if_over_epochs(&mut figure);
                    Some(figures.add(figure, "figure"))
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use grokrun_store::{CellSummary, Metrics};
    use serde_json::json;

    use super::*;

    #[test]
    fn square_maps_are_tall() {
        let map = |rows: usize, columns: usize| json!({ "data": [{ "type": "heatmap", "z": vec![vec![0.5; columns]; rows] }] });
        assert!(is_tall(&map(59, 59)));
        assert!(!is_tall(&map(59, 128)) && !is_tall(&map(4, 4)) && !is_tall(&json!(1)));
    }

    #[test]
    fn a_page_of_nothing_is_a_page() {
        let page = Page::of(&["run".to_owned()], &[], Vec::new(), &mut Flaws::default());
        let page = page.render().unwrap();
        assert!(page.contains("nothing was trained yet") && page.contains("<h1>run</h1>"));
    }

    #[test]
    fn histories_of_no_epoch_have_no_phases() {
        let outcome = CellSummary::new("c", "interrupted", &Metrics::default());
        assert!(Phases::of(&[], &outcome).all.is_empty());
    }
}
