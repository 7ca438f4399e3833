//! Documents: every link and citation leads somewhere, and the book lists every page.
//!
//! Owns the form of a citation (a page's path in `doc/`, with a heading's anchor or without), how a
//! heading becomes an anchor, and how wide a comment may be. Knows nothing of what the pages say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The extensions of files whose text may cite a page. Other files are only known to exist.
const CITING: [&str; 8] = ["rs", "wgsl", "md", "toml", "sh", "py", "txt", "html"];
/// What is no part of the sources: cargo's output and runs. Folders that begin with a dot are left
/// out too, but for CI's.
const LEFT_OUT: [&str; 2] = ["target", "runs"];
/// Columns of a comment line.
const WIDTH: usize = 100;
/// This file, which plants citations that lead nowhere.
const OWN: &str = "tests/docs.rs";

/// A repository's files.
#[derive(Default)]
struct Tree {
    /// every file and folder, by its path from the root with slashes
    paths: BTreeSet<String>,
    /// of the files that may cite
    texts: BTreeMap<String, String>,
}

impl Tree {
    fn of(root: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.walk(root, "");
        tree
    }

    fn walk(&mut self, root: &Path, folder: &str) {
        for entry in fs::read_dir(root.join(folder)).expect("a folder of the sources") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = match folder {
                "" => name.clone(),
                _ => format!("{folder}/{name}"),
            };
            if entry.file_type().expect("its type").is_dir() {
                let hidden = name.starts_with('.') && name != ".ci";
                if !hidden && !LEFT_OUT.contains(&name.as_str()) {
                    self.paths.insert(path.clone());
                    self.walk(root, &path);
                }
                continue;
            }
            if path == ".ci/run" || CITING.contains(&extension(&path)) {
                // What is not UTF-8 cites nothing.
                if let Ok(text) = fs::read_to_string(entry.path()) {
                    self.texts.insert(path.clone(), text);
                }
            }
            self.paths.insert(path);
        }
    }

    /// Adds a file, for a test.
    fn with(mut self, path: &str, text: &str) -> Tree {
        self.paths.insert(path.to_owned());
        self.texts.insert(path.to_owned(), text.to_owned());
        self
    }

    /// The anchors of a page.
    fn anchors(&self, page: &str) -> BTreeSet<String> {
        let text = self.texts.get(page).map_or("", String::as_str);
        headings(text).map(anchor).collect()
    }

    /// Says what is wrong with `target`, a path from the root with or without `#anchor`.
    fn wrong(&self, target: &str) -> Option<String> {
        let (path, wanted) = match target.split_once('#') {
            Some((path, wanted)) => (path, Some(wanted)),
            None => (target, None),
        };
        if !self.paths.contains(path) {
            return Some(format!("there is no {path}"));
        }
        let wanted = wanted?;
        let missing = !self.anchors(path).contains(wanted);
        missing.then(|| format!("{path} has no heading for #{wanted}"))
    }

    /// Everything that is wrong, a line each.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (path, text) in &self.texts {
            let mut add = |what: String| faults.push(format!("{path}: {what}"));
            if path != OWN {
                let cited = citations(text).filter_map(|cited| self.wrong(cited));
                cited.for_each(&mut add);
                foreign(path, text).into_iter().for_each(&mut add);
            }
            if extension(path) == "md" {
                for link in links(text) {
                    let target = resolved(path, &link);
                    let wrong = target.map_or(Some(format!("{link} leaves the repository")), |t| {
                        self.wrong(&t)
                    });
                    wrong.into_iter().for_each(&mut add);
                }
            }
            if ["rs", "wgsl"].contains(&extension(path)) {
                wide(text).into_iter().for_each(&mut add);
            }
        }
        faults.extend(self.unlisted());
        faults.extend(self.ambiguous());
        faults
    }

    /// Pages of the book that its summary does not list.
    fn unlisted(&self) -> Vec<String> {
        let summary = "doc/SUMMARY.md";
        let text = self.texts.get(summary).map_or("", String::as_str);
        let listed: BTreeSet<String> = links(text)
            .iter()
            .filter_map(|link| resolved(summary, link))
            .collect();
        self.pages()
            .filter(|page| *page != summary && !listed.contains(*page))
            .map(|page| format!("{summary}: does not list {page}"))
            .collect()
    }

    /// Pages with two headings of one anchor, of which only the first can be cited.
    fn ambiguous(&self) -> Vec<String> {
        let twice = |page: &&str| {
            let text = &self.texts[*page];
            headings(text).count() != self.anchors(page).len()
        };
        self.pages()
            .filter(twice)
            .map(|page| format!("{page}: two headings have one anchor"))
            .collect()
    }

    fn pages(&self) -> impl Iterator<Item = &str> {
        let of_book = |path: &&String| path.starts_with("doc/") && extension(path) == "md";
        self.texts.keys().filter(of_book).map(String::as_str)
    }
}

fn extension(path: &str) -> &str {
    Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
}

/// The lines of a page that are outside of fences.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The headings of a page.
fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text).filter_map(|line| {
        let rest = line.trim_start_matches('#');
        let level = line.len() - rest.len();
        (1..=6)
            .contains(&level)
            .then(|| rest.strip_prefix(' '))
            .flatten()
    })
}

/// A heading's anchor, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '-' || *c == ' ';
    let lower = heading.trim().to_lowercase();
    lower
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// The pages that a text cites, with a heading's anchor or without.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("doc/");
    starts.filter_map(|(at, start)| {
        let before = text[..at].chars().next_back();
        // As a part of another path, or of a pattern, it is no citation.
        if before.is_some_and(|c| c.is_alphanumeric() || "/._-*{".contains(c)) {
            return None;
        }
        let name = &text[at + start.len()..];
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let stem = name.find(|c| !word(c)).unwrap_or(name.len());
        let page = &name[stem..];
        if stem == 0 || !page.starts_with(".md") {
            return None;
        }
        let end = match page[3..].strip_prefix('#') {
            Some(rest) => 4 + rest.find(|c| !word(c)).unwrap_or(rest.len()),
            None => 3,
        };
        Some(&text[at..at + start.len() + stem + end])
    })
}

/// The relative targets of a page's links, outside of fences and of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // Every other piece between backticks is code.
        let pieces = line.split('`').enumerate();
        let plain = pieces.map(|(i, piece)| if i % 2 == 0 { piece } else { "code" });
        let line: String = plain.collect();
        // Of Markdown, and of pictures in HTML.
        for (open, close) in [("](", ')'), (" src=\"", '"'), (" srcset=\"", '"')] {
            for (at, open) in line.match_indices(open) {
                let rest = &line[at + open.len()..];
                let Some(end) = rest.find(close) else {
                    continue;
                };
                let target = &rest[..end];
                let elsewhere = ["http:", "https:", "mailto:"];
                if !elsewhere.iter().any(|scheme| target.starts_with(scheme)) {
                    found.push(target.to_owned());
                }
            }
        }
    }
    found
}

/// Returns a link's target as a path from the root; `None` if the link leaves the repository.
fn resolved(page: &str, link: &str) -> Option<String> {
    if link.starts_with('#') {
        return Some(format!("{page}{link}"));
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    Some(match anchor {
        "" => path,
        anchor => format!("{path}#{anchor}"),
    })
}

/// Returns citations of documents that are not in the repository: planning notes, and, in code,
/// sections by number.
fn foreign(path: &str, text: &str) -> Vec<String> {
    let notes = [
        "DESIGN.md",
        "CONTRACT.md",
        "science.md",
        "feasibility",
        "transformerlens_files",
    ];
    let cited = notes.iter().filter(|note| text.contains(**note));
    let mut found: Vec<String> = cited
        .map(|note| format!("cites {note}, which is not in the repository"))
        .collect();
    let code = ["rs", "wgsl"].contains(&extension(path));
    let numbered = |line: &&str| {
        let after = line.split("(science ").skip(1);
        let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        line.contains('\u{a7}') || after.into_iter().any(digit)
    };
    if let Some(line) = text.lines().filter(|_| code).find(numbered) {
        found.push(format!("cites a section by its number: {}", line.trim()));
    }
    found
}

/// Returns comment lines that are too wide, except rows of tables and single words, which cannot be
/// broken.
fn wide(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim_start();
        let columns = line.chars().count();
        let breakable = |words: &str| !words.starts_with('|') && words.contains(' ');
        let words = comment.trim_start_matches(['/', '!']).trim();
        if comment.starts_with("//") && columns > WIDTH && breakable(words) {
            found.push(format!("line {number} has {columns} columns of {WIDTH}"));
        }
    }
    found
}

#[test]
fn every_link_and_citation_leads_somewhere() {
    let tree = Tree::of(Path::new(env!("CARGO_MANIFEST_DIR")));
    let sources = ["README.md", "doc/SUMMARY.md", "tests/docs.rs", ".ci/run"];
    for path in sources {
        assert!(tree.texts.contains_key(path), "{path} was not read");
    }
    assert!(tree.texts.len() > 300, "{} files", tree.texts.len());
    let faults = tree.faults();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Returns a book of two pages in which every link resolves.
fn sound() -> Tree {
    Tree::default()
        .with("doc/SUMMARY.md", "# Summary\n\n- [One](one.md)\n- [Two](two.md)\n")
        .with(
            "doc/one.md",
            "# One\n\n## The fold, U\u{2032}\n\n[two](two.md#of-d_model) [here](#the-fold-u) [up](../README.md)\n\n```text\n# no heading ](nor a link)\n```\n`](code)` [w](https://example.org)\n",
        )
        .with("doc/two.md", "# Two\n\n### Of `d_model`\n")
        .with("README.md", "[one](doc/one.md)\n")
        .with(
            "runner/lib.rs",
            "//! The fold (doc/one.md#the-fold-u), and doc/two.md.\n",
        )
}

#[test]
fn a_sound_book_has_no_faults() {
    assert_eq!(sound().faults(), Vec::<String>::new());
}

#[test]
fn planted_faults_are_found() {
    let long = format!("// {}", "word ".repeat(20));
    let planted = [
        ("src/a.rs", "// see doc/none.md", "there is no doc"),
        (
            "src/b.wgsl",
            "// doc/one.md#folded",
            "no heading for #folded",
        ),
        ("C.md", "[x](doc/one.md#unfold)", "no heading for #unfold"),
        (
            "E.md",
            "<img alt=\"x\" src=\"doc/none.png\">",
            "there is no doc/none.png",
        ),
        (
            "F.md",
            "<source srcset=\"doc/none.svg\">",
            "there is no doc/none.svg",
        ),
        (
            "doc/two.md",
            "# Two\n[x](../../../etc)",
            "leaves the repository",
        ),
        (
            "doc/two.md",
            "# Two\n[x](three.md)",
            "there is no doc/three.md",
        ),
        ("doc/three.md", "# Three", "does not list doc/three.md"),
        (
            "doc/two.md",
            "# Two\n## Of d_model\n## Of `d_model`",
            "one anchor",
        ),
        ("d.sh", "# as DESIGN.md has it", "not in the repository"),
        ("e.rs", "/// (science\n/// \u{a7}1.8)", "by its number"),
        ("e.wgsl", "// (science 1.8)", "by its number"),
        ("f.rs", long.as_str(), "columns of 100"),
    ];
    for (path, text, expected) in planted {
        let faults = sound().with(path, text).faults();
        let found = faults.iter().any(|fault| fault.contains(expected));
        assert!(found, "{path}: expected {expected:?} in {faults:?}");
    }
}

#[test]
fn rows_of_tables_and_single_words_may_be_wide() {
    let row = format!("//! | {} |", "cell | ".repeat(20));
    let word = format!("// https://example.org/{}", "x".repeat(100));
    for text in [row, word] {
        assert_eq!(
            sound().with("src/a.rs", &text).faults(),
            Vec::<String>::new()
        );
    }
}
