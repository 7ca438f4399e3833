use super::*;
use crate::metrics::tests::history;

fn cell() -> (tempfile::TempDir, CellDir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = CellDir::create(folder.path().join("c")).unwrap();
    (folder, dir.of("f".to_owned()))
}

/// The epochs that a reader had not read yet, and whether they begin anew; none without a file.
fn news(reader: &mut LiveReader) -> Option<(bool, Vec<u64>)> {
    let rows = reader.new_rows().unwrap()?;
    let restarted = rows.restarted();
    Some((restarted, rows.map(|row| row.unwrap().epoch).collect()))
}

fn epochs(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn each_row_is_read_once_and_is_that_of_the_history() {
    let (_folder, dir) = cell();
    let (mut writer, mut reader) = (dir.live_rows(), dir.live_reader());
    assert_eq!(news(&mut reader), None, "nothing is there");
    let all = history(900);
    writer.append(&history(5)).unwrap();
    let read: Vec<Row> = reader
        .new_rows()
        .unwrap()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(read, all.rows().take(5).collect::<Vec<_>>());
    assert_eq!(news(&mut reader), Some((false, vec![])), "nothing is new");
    writer.append(&history(5)).unwrap();
    writer.append(&all).unwrap();
    assert_eq!(news(&mut reader), Some((false, epochs(5..900))));
    dir.remove_live_rows().unwrap();
    dir.remove_live_rows().unwrap();
    assert_eq!(news(&mut reader), None);
    assert!(
        writer.append(&history(901)).is_err(),
        "what was removed does not come back without its beginning"
    );
}

/// A kill may come after any byte of what was to be written.
#[test]
fn a_torn_row_is_left_out_until_it_is_whole() {
    let (_folder, dir) = cell();
    let path = dir.path().join(NAME);
    dir.live_rows().append(&history(3)).unwrap();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - 3 * ROW;
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let mut reader = dir.live_reader();
        let rows = (length.saturating_sub(head) / ROW) as u64;
        let expected = (length >= head).then(|| (true, epochs(0..rows)));
        assert_eq!(news(&mut reader), expected, "{length} bytes");
        fs::write(&path, &whole).unwrap();
        let rest = if length >= head {
            (false, epochs(rows..3))
        } else {
            (true, epochs(0..3))
        };
        assert_eq!(news(&mut reader), Some(rest), "{length} bytes, then all");
    }
}

#[test]
fn a_session_that_begins_anew_is_read_from_the_start() {
    let (_folder, dir) = cell();
    let mut reader = dir.live_reader();
    dir.live_rows().append(&history(50)).unwrap();
    assert_eq!(news(&mut reader), Some((true, epochs(0..50))));
    // From an earlier state: shorter, then the same rows again.
    dir.live_rows().append(&history(20)).unwrap();
    assert_eq!(news(&mut reader), Some((true, epochs(0..20))));
    // As long as before when it is looked at, on another device: other numbers.
    let mut other = history(20);
    other.push(Row {
        train_loss: 7.0,
        ..history(21).last().unwrap()
    });
    dir.live_rows().append(&history(21)).unwrap();
    assert_eq!(news(&mut reader), Some((false, epochs(20..21))));
    dir.live_rows().append(&other).unwrap();
    assert_eq!(news(&mut reader), Some((true, epochs(0..21))));
}

#[test]
fn numbers_come_back_bit_for_bit() {
    let (_folder, dir) = cell();
    let mut metrics = Metrics::default();
    metrics.push(Row {
        epoch: 0,
        train_loss: f64::NAN,
        test_loss: f64::INFINITY,
        train_accuracy: -0.0,
        test_accuracy: 0.1 + 0.2,
    });
    dir.live_rows().append(&metrics).unwrap();
    let mut reader = dir.live_reader();
    let mut back = Metrics::default();
    for row in reader.new_rows().unwrap().unwrap() {
        back.push(row.unwrap());
    }
    assert!(back.is(&metrics));
}

#[test]
fn another_cells_rows_and_what_is_no_such_file_are_refused() {
    let (_folder, dir) = cell();
    dir.live_rows().append(&history(2)).unwrap();
    let path = dir.path().join(NAME);
    let error = dir
        .clone()
        .of("g".to_owned())
        .live_reader()
        .new_rows()
        .unwrap_err();
    assert!(
        error.to_string().contains("other settings or seeds"),
        "{error}"
    );
    let long = "x".repeat(2 * LONGEST_HEAD as usize);
    for (text, why) in [
        ("{\"columns\":[\"loss\"]}\n", "does not name the columns"),
        ("not JSON\n", "does not name the columns"),
        (long.as_str(), "does not end"),
    ] {
        fs::write(&path, text).unwrap();
        let error = dir.live_reader().new_rows().unwrap_err().to_string();
        assert!(
            error.contains(why) && error.contains("delete it"),
            "{error}"
        );
    }
}
