//! `cells.parquet`: one row a cell with its settings and what became of it, as pandas, polars and
//! DuckDB read it, and as survival libraries take it: a duration, and whether it was observed.
//!
//! Made from the summary and from each `config.json`; nothing here reads it. The bytes depend on
//! these alone: wall times and devices are left to the summary.

use std::io;
use std::sync::Arc;

use grokrun_sweeps::Place;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::seal::{self, Hashed};
use crate::spread::Milestone;
use crate::{CellSummary, RunDir, StoreError, atomic};

pub(crate) const NAME: &str = "cells.parquet";

/// A column with a value, or none, for each cell.
enum Column {
    Whole(Vec<Option<i64>>),
    Double(Vec<f64>),
    Flag(Vec<Option<bool>>),
    Text(Vec<String>),
}

impl RunDir {
    /// Puts the table of these cells into the run's folder, in the place of the one before.
    /// `settings` are columns with the cells' values, in the order of the cells.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_cells(
        &self,
        cells: &[CellSummary],
        settings: &[(String, Vec<Place>)],
    ) -> std::result::Result<(), StoreError> {
        let columns = columns(cells, settings);
        let fingerprint = self.fingerprint().to_owned();
        atomic::fill(&self.path().join(NAME), |file| {
            let mut hashed = Hashed::new(&mut *file);
            write(&mut hashed, &columns, &fingerprint).map_err(io::Error::other)?;
            let digest = hashed.digest();
            seal::seal_parquet(file, &digest)
        })
    }
}

fn columns(cells: &[CellSummary], settings: &[(String, Vec<Place>)]) -> Vec<(String, Column)> {
    let text = |of: fn(&CellSummary) -> &String| cells.iter().map(|c| of(c).clone()).collect();
    let mut all = vec![("cell".to_owned(), Column::Text(text(|cell| &cell.cell)))];
    for (name, values) in settings {
        all.push((name.clone(), setting(values)));
    }
    let mut add = |name: &str, column: Column| all.push((name.to_owned(), column));
    add("status", Column::Text(text(|cell| &cell.status)));
    let epochs = cells.iter().map(|cell| Some(cell.epochs.cast_signed()));
    add("epochs", Column::Whole(epochs.collect()));
    for (milestone, name) in [
        (Milestone::Memorised, "memorised"),
        (Milestone::Grokked, "grokked"),
    ] {
        let known: Vec<_> = cells.iter().map(|c| c.observation(milestone)).collect();
        let epoch = known.iter().map(|one| one.map(|one| one.time as i64));
        add(&format!("{name}_epoch"), Column::Whole(epoch.collect()));
        let censored = known.iter().map(|one| one.map(|one| !one.happened));
        add(
            &format!("{name}_censored"),
            Column::Flag(censored.collect()),
        );
    }
    let last = |of: fn(&crate::Row) -> f64| {
        let of_cell = |cell: &CellSummary| cell.last.as_ref().map_or(f64::NAN, of);
        Column::Double(cells.iter().map(of_cell).collect())
    };
    add("last_train_loss", last(|row| row.train_loss));
    add("last_test_loss", last(|row| row.test_loss));
    add("last_train_accuracy", last(|row| row.train_accuracy));
    add("last_test_accuracy", last(|row| row.test_accuracy));
    all
}

/// A setting's column: whole numbers, numbers, or else the values as text.
fn setting(values: &[Place]) -> Column {
    let numbers: Option<Vec<f64>> = values.iter().map(Place::number).collect();
    match numbers {
        Some(numbers) if numbers.iter().all(|x| x.fract() == 0.0) => {
            Column::Whole(numbers.into_iter().map(|x| Some(x as i64)).collect())
        }
        Some(numbers) => Column::Double(numbers),
        None => Column::Text(values.iter().map(Place::text).collect()),
    }
}

fn write(
    out: impl io::Write + Send,
    columns: &[(String, Column)],
    fingerprint: &str,
) -> Result<()> {
    let mut fields = Vec::new();
    for (name, column) in columns {
        let (physical, logical, repetition) = match column {
            Column::Whole(_) => (Physical::INT64, None, Repetition::OPTIONAL),
            Column::Double(_) => (Physical::DOUBLE, None, Repetition::REQUIRED),
            Column::Flag(_) => (Physical::BOOLEAN, None, Repetition::OPTIONAL),
            Column::Text(_) => (
                Physical::BYTE_ARRAY,
                Some(LogicalType::String),
                Repetition::REQUIRED,
            ),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition);
        fields.push(Arc::new(field.build()?));
    }
    let schema = Arc::new(
        Type::group_type_builder("cells")
            .with_fields(fields)
            .build()?,
    );
    let properties = WriterProperties::builder()
        .set_created_by("grokrun".to_owned())
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    for (key, text) in [("fingerprint", fingerprint), (seal::KEY, seal::ZEROS)] {
        let note = KeyValue::new(key.to_owned(), text.to_owned());
        writer.append_key_value_metadata(note);
    }
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        match column {
            Column::Whole(values) => optional::<Int64Type>(&mut group, values)?,
            Column::Flag(values) => optional::<BoolType>(&mut group, values)?,
            Column::Double(values) => put::<DoubleType>(&mut group, values, None)?,
            Column::Text(values) => {
                let bytes = values.iter().map(|text| ByteArray::from(text.as_str()));
                put::<ByteArrayType>(&mut group, &bytes.collect::<Vec<_>>(), None)?;
            }
        }
    }
    group.close()?;
    writer.into_inner().map(|_| ())
}

/// Writes a column in which a value may be missing.
fn optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
    values: &[Option<T::T>],
) -> Result<()> {
    let there: Vec<T::T> = values.iter().flatten().cloned().collect();
    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    put::<T>(group, &there, Some(&levels))
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl io::Write + Send>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("a column is missing".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::{Access, Metrics};

    fn cell(name: &str, status: &str, grokked: Option<u64>) -> CellSummary {
        CellSummary {
            epochs: 900,
            test_accuracy_epoch: grokked,
            ..CellSummary::new(name, status, &Metrics::default())
        }
    }

    #[test]
    fn a_row_has_the_cells_settings_and_what_is_known_of_it() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::open(out.path(), "r", "", "", "f", Access::Continue).unwrap();
        let cells = [
            cell("a", "finished", Some(70)),
            cell("b", "interrupted", None),
            cell("c", "failed", Some(5)),
        ];
        let settings = [
            ("fraction", [0.3, 0.5, 0.5].map(Place::Number)),
            ("seeds.model", [1.0, 2.0, 3.0].map(Place::Number)),
            (
                "train.optimizer",
                ["sgd", "adam", "sgd"].map(|w| Place::Word(w.to_owned())),
            ),
        ];
        let settings = settings.map(|(name, values)| (name.to_owned(), Vec::from(values)));
        run.write_cells(&cells, &settings).unwrap();
        let path = run.path().join(NAME);
        let first = fs::read(&path).unwrap();
        assert_eq!(seal::check_parquet(&first), Ok(true));
        run.write_cells(&cells, &settings).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);

        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let schema = reader.metadata().file_metadata().schema_descr();
        let names: Vec<&str> = schema.columns().iter().map(|c| c.name()).collect();
        assert_eq!(
            names[..6],
            [
                "cell",
                "fraction",
                "seeds.model",
                "train.optimizer",
                "status",
                "epochs"
            ]
        );
        assert_eq!(
            names[6..10],
            [
                "memorised_epoch",
                "memorised_censored",
                "grokked_epoch",
                "grokked_censored"
            ]
        );
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|r| r.unwrap())
            .collect();
        let text = |row: usize, at: usize| rows[row].get_string(at).unwrap().clone();
        assert_eq!(
            (text(1, 0), text(1, 3), text(1, 4)),
            ("b".into(), "adam".into(), "interrupted".into())
        );
        let double = |row: usize, at: usize| rows[row].get_double(at).unwrap();
        let whole = |row: usize, at: usize| rows[row].get_long(at).unwrap();
        assert_eq!((double(2, 1), whole(2, 2)), (0.5, 3));
        assert_eq!((whole(0, 8), rows[0].get_bool(9).unwrap()), (70, false));
        assert_eq!((whole(1, 8), rows[1].get_bool(9).unwrap()), (900, true));
        // A failed cell is counted apart: nothing is known of it.
        assert!(rows[2].get_long(8).is_err() && rows[2].get_bool(9).is_err());
        assert!(rows[0].get_double(10).unwrap().is_nan());
    }
}
