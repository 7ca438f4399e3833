//! Bounds the text of plugins on a page: a note has no bound of its own, but a page has to open on
//! a phone. A text that is cut says so, and names the file that has all of it.

/// The most bytes of all texts of analyses on a page.
const BUDGET: usize = 4_000_000;
/// The longest text, and the longest text in a cell of a table.
const LONGEST: usize = 8_000;
const LONGEST_IN_TABLE: usize = 400;
/// The most rows of a table.
const MOST_ROWS: usize = 4_000;

/// Counts the bytes that are left for texts.
pub(crate) struct Texts {
    left: usize,
}

impl Texts {
    pub(crate) fn new() -> Texts {
        Texts { left: BUDGET }
    }

    /// Returns a text, cut to the bytes that are left; `whole` is the file that has all of it.
    pub(crate) fn take(&mut self, text: &str, whole: &str) -> String {
        self.take_up_to(LONGEST, text, whole)
    }

    fn take_up_to(&mut self, most: usize, text: &str, whole: &str) -> String {
        let most = most.min(self.left);
        if text.len() <= most {
            self.left -= text.len();
            return text.to_owned();
        }
        let end = text.floor_char_boundary(most);
        self.left -= end;
        format!(
            "{}… (cut here, at {end} of {} bytes; the whole is in {whole})",
            &text[..end],
            text.len()
        )
    }

    /// Returns texts while there are bytes left, and a last one that counts the rest.
    pub(crate) fn all(&mut self, texts: &[&str], whole: &str) -> Vec<String> {
        let mut taken = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            if self.left == 0 {
                taken.push(format!("… and {} more in {whole}", texts.len() - i));
                break;
            }
            taken.push(self.take(text, whole));
        }
        taken
    }

    /// Returns the rows of a table while there are bytes left, and how many are left out.
    pub(crate) fn rows(
        &mut self,
        rows: Vec<Vec<String>>,
        whole: &str,
    ) -> (Vec<Vec<String>>, usize) {
        let count = rows.len();
        let mut taken = Vec::new();
        for row in rows.into_iter().take(MOST_ROWS) {
            if self.left == 0 {
                break;
            }
            let cells = row.iter();
            let cells = cells.map(|text| self.take_up_to(LONGEST_IN_TABLE, text, whole));
            taken.push(cells.collect());
        }
        let left_out = count - taken.len();
        (taken, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_where_the_whole_is() {
        let mut texts = Texts::new();
        assert_eq!(texts.take("a note", "findings.json"), "a note");
        let long = "é".repeat(20_000_000);
        let cut = texts.take(&long, "findings.json");
        assert!(
            cut.len() < LONGEST + 100 && cut.starts_with("éé"),
            "{}",
            cut.len()
        );
        assert!(cut.ends_with("of 40000000 bytes; the whole is in findings.json)"));
    }

    #[test]
    fn many_texts_and_rows_have_a_bound_together() {
        let mut texts = Texts::new();
        let note = "n".repeat(LONGEST + 1);
        let notes = vec![note.as_str(); 1000];
        let taken = texts.all(&notes, "findings.json");
        let size: usize = taken.iter().map(String::len).sum();
        assert!(size < BUDGET + 100 * taken.len(), "{size}");
        let last = taken.last().unwrap();
        let more = 1000 - (taken.len() - 1);
        assert_eq!(*last, format!("… and {more} more in findings.json"));
        let rows = vec![vec!["x".to_owned()]; 3];
        assert_eq!(texts.rows(rows.clone(), "t.table.json"), (Vec::new(), 3));

        let mut texts = Texts::new();
        assert_eq!(texts.rows(rows.clone(), "t.table.json"), (rows, 0));
        let many = vec![vec!["x".to_owned()]; MOST_ROWS + 7];
        assert_eq!(texts.rows(many, "t.table.json").1, 7);
        let wide = vec![vec!["y".repeat(5000)]];
        assert!(texts.rows(wide, "t.table.json").0[0][0].len() < 500);
    }
}
