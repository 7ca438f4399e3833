//! Puts the page together: what is shown, in which order.

mod opening;
mod section;

use askama::Template;
use grokrun_store::{FoundFiles, FoundSeries};
use serde_json::Value;

use self::opening::{Opening, Role, headlines};
use self::section::{Section, Style};
use crate::claims::ClaimRow;
use crate::components::{Components, component_of};
use crate::facts::{facts, heading};
use crate::gather::{Flaws, Gathered};
use crate::groups::{self, Group, Member};
use crate::pack::{self, Packed};
use crate::phase_map::Measured;
use crate::phases::{Phase, Phases};
use crate::provenance::Provenance;
use crate::story::Formula;
use crate::texts::Texts;
use crate::{assets, axes, curves, numbers, overlay, story, survival};

/// The most cells whose analyses are shown.
const MOST_CELLS: usize = 6;
/// The most bytes of the figures of cells, without their frames; further cells are left out.
const MOST_STATIC: usize = pack::BUDGET / 2;
/// The most flaws that are listed.
const MOST_FLAWS: usize = 20;
/// The longest caption, in letters.
const LONGEST_CAPTION: usize = 600;
/// The most groups whose outcome is said in a sentence each.
const MOST_VERDICTS: usize = 8;
/// The most groups of cells that have curves of their own.
const MOST_GROUPS: usize = 12;

/// What a page says of runs beside their cells.
#[derive(Default)]
pub(crate) struct About {
    /// the claims of the specs
    pub(crate) claims: Vec<ClaimRow>,
    /// what analyses of the whole sweep left
    pub(crate) sweep: Vec<FoundFiles>,
    /// where the runs are from
    pub(crate) provenance: Vec<Provenance>,
}

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
    /// what analyses of the whole sweep found
    sweep: Vec<Section>,
    provenance: Vec<Provenance>,
    cells: Vec<Cell>,
    /// one row for each cell, if there are several; its first column links to the cell's section
    table: Vec<Vec<String>>,
    /// one row for each group, if there are several
    groups: Vec<Vec<String>>,
    /// whether the groups differ, in words
    differ: Option<String>,
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
    /// what figures are drawn with, on this page and others
    drawing: &'static str,
    /// the buttons of figures
    tools: &'static str,
    script: &'static str,
    style: &'static str,
}

/// The place of a figure on the page.
struct Place {
    number: usize,
    title: String,
    /// one line: what to see
    caption: String,
    /// its width: the larger the figure, the fewer stand side by side
    class: &'static str,
    /// what it shows, where it says so
    role: Option<Role>,
    /// the colour of the key component that it is of as a whole
    color: Option<String>,
}

/// One cell.
struct Cell {
    name: String,
    verdict: String,
    class: &'static str,
    formula: Option<Formula>,
    opening: Opening,
    curves: [Place; 2],
    phases: Vec<Phase>,
    phases_from: String,
    analyses: Vec<Section>,
}

/// Collects the figures of a page.
#[derive(Default)]
struct Figures {
    all: Vec<Packed>,
    size: usize,
    /// the colours of components
    components: Components,
}

impl Figures {
    fn add(&mut self, figure: Value, class: &'static str) -> Place {
        let class = if is_tall(&figure) {
            "figure tall"
        } else {
            class
        };
        let caption = figure["layout"]["meta"]["caption"]
            .as_str()
            .unwrap_or_default();
        let caption = caption.chars().take(LONGEST_CAPTION).collect();
        let (role, component) = (Role::of(&figure), component_of(&figure));
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
            caption,
            class,
            role,
            color: component.and_then(|name| self.components.color(&name)),
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
    /// Whether the cell of that row of the table has a section.
    fn has_section(&self, row: &usize) -> bool {
        *row < self.cells.len()
    }

    /// Makes the page of the runs with these names; adds files that cannot be used to the flaws.
    pub(crate) fn of(
        names: &[String],
        gathered: &[Gathered],
        about: About,
        flaws: &mut Flaws,
    ) -> Page {
        let name = names.join(", ");
        let shown = gathered.iter().take(MOST_CELLS);
        let shown: Vec<(&Gathered, Vec<FoundFiles>)> =
            shown.map(|cell| (cell, cell.analyses(flaws))).collect();
        let components = Components::of(shown.iter().flat_map(|(_, analyses)| analyses));
        let mut figures = Figures {
            components: components.clone(),
            ..Figures::default()
        };
        let several = gathered.len() > 1;
        let members = gathered.iter().enumerate().map(|(number, cell)| Member {
            run: (names.len() > 1).then_some(cell.run.as_str()),
            config: &cell.config,
            metrics: &cell.metrics,
            outcome: &cell.outcome,
            link: format!("cell-{number}"),
        });
        let members: Vec<Member> = members.collect();
        let over_axes = if several {
            axes::figures(&members, Measured::of(&about.sweep).as_ref())
        } else {
            Vec::new()
        };
        let overall = several.then(|| Group::all(&members).verdict());
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
            multiples.extend(
                overlay::curves(&groups)
                    .into_iter()
                    .map(|f| figures.add(f, "figure")),
            );
            let class = if groups.len() > 2 {
                "figure small"
            } else {
                "figure"
            };
            // Of many groups the maps say more than the first few.
            let few = if groups.len() > MOST_GROUPS {
                0
            } else {
                groups.len()
            };
            let curves = groups.iter().take(few).flat_map(Group::curves);
            multiples.extend(curves.map(|figure| figures.add(figure, class)));
        }
        let mut cells: Vec<Cell> = Vec::new();
        let mut texts = Texts::new();
        for (cell, analyses) in shown {
            if !cells.is_empty() && figures.size > MOST_STATIC {
                break;
            }
            let number = cells.len();
            let cell = Cell::of(cell, analyses, number, &mut figures, &mut texts, flaws);
            cells.push(cell);
        }
        let sweep: Vec<Section> = about
            .sweep
            .into_iter()
            .enumerate()
            .map(|(i, found)| {
                let (series, phases) = (FoundSeries::default(), Phases::default());
                let anchor = format!("sweep-{i}");
                let style = Style {
                    phases: &phases,
                    components: &components,
                };
                Section::of(
                    found,
                    &series,
                    anchor,
                    style,
                    &mut figures,
                    &mut texts,
                    flaws,
                )
            })
            .collect();
        let verdicts: Vec<(String, String)> = match groups.len() {
            0..=MOST_VERDICTS => groups
                .iter()
                .map(|g| (g.name.clone(), g.verdict()))
                .collect(),
            _ => overall
                .into_iter()
                .map(|words| (String::new(), words))
                .collect(),
        };
        Page {
            version: env!("CARGO_PKG_VERSION"),
            heading: heading(&name, gathered),
            facts: facts(gathered),
            flaws: flaws.0.iter().take(MOST_FLAWS).cloned().collect(),
            more_flaws: flaws.0.len().saturating_sub(MOST_FLAWS),
            verdicts,
            differ: survival::differ(&groups),
            claims: about.claims,
            sweep,
            provenance: about.provenance,
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
            plotly: assets::PLOTLY,
            drawing: assets::DRAWING,
            tools: include_str!("../templates/tools.js"),
            script: include_str!("../templates/report.js"),
            style: assets::STYLE,
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
        let components = Components::of(analyses.iter());
        let [loss, accuracy] = curves::of_cell(&cell.metrics, &phases, &cell.config);
        all.push((format!("{name}/loss"), loss));
        all.push((format!("{name}/accuracy"), accuracy));
        for found in analyses {
            let analysis = &found.index.analysis;
            for (figure, file) in found.figures {
                match file.read() {
                    Ok(mut json) => {
                        components.paint(&mut json);
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
        analyses: Vec<FoundFiles>,
        number: usize,
        figures: &mut Figures,
        texts: &mut Texts,
        flaws: &mut Flaws,
    ) -> Cell {
        let (verdict, class) = story::verdict(&cell.outcome, cell.training, &cell.config);
        let phases = Phases::of(&analyses, &cell.outcome);
        let curves = curves::of_cell(&cell.metrics, &phases, &cell.config);
        let components = figures.components.of_cell(&analyses);
        let style = Style {
            phases: &phases,
            components: &components,
        };
        let formula = story::formula(&analyses, &cell.outcome, &components);
        let headlines = headlines(&analyses, texts);
        let curves = curves.map(|figure| figures.add(figure, "figure"));
        let sections = analyses.into_iter().enumerate().map(|(i, found)| {
            let anchor = format!("cell-{number}-analysis-{i}");
            let series = cell.series(&found.index.analysis, flaws);
            Section::of(found, &series, anchor, style, figures, texts, flaws)
        });
        let mut sections: Vec<Section> = sections.collect();
        Cell {
            name: cell.name.clone(),
            verdict: texts.take(&verdict, "summary.json"),
            class,
            formula,
            opening: Opening::of(headlines, &mut sections),
            curves,
            phases_from: match &phases.measured {
                Some(analysis) => format!(
                    "Phases as {analysis} found them; figures over epochs are shaded alike."
                ),
                None => "Phases by accuracy.".to_owned(),
            },
            analyses: sections,
            phases: phases.all,
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
        let page = Page::of(
            &["run".to_owned()],
            &[],
            About::default(),
            &mut Flaws::default(),
        );
        let page = page.render().unwrap();
        assert!(page.contains("nothing was trained yet") && page.contains("<h1>run</h1>"));
    }

    #[test]
    fn histories_of_no_epoch_have_no_phases() {
        let outcome = CellSummary::new("c", "interrupted", &Metrics::default());
        assert!(Phases::of(&[], &outcome).all.is_empty());
    }
}
