//! `metrics.parquet` and `series.parquet`: numbers over epochs as pandas, polars and DuckDB read
//! them.
//!
//! Columns `epoch` (int64) and the metrics or series (double), none nullable. Losses hardly repeat,
//! so they are stored plain; accuracies do, and get a dictionary; epochs are differences. The bytes
//! depend on the history and on whose it is alone: no time, no version.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Repetition, Type as Physical};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::Metrics;
use crate::seal::{self, Hashed};

/// Rows that are stored together; DuckDB's own group, so that one thread there reads one of ours.
const GROUP: usize = 122_880;

/// A column of doubles.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    /// as many as there are epochs
    pub(crate) values: &'a [f64],
    /// whether values repeat, so that a dictionary pays
    pub(crate) repeats: bool,
}

/// Writes `metrics.parquet`, with notes and a digest in its footer.
///
/// # Errors
/// As [`write()`].
pub(crate) fn history(
    out: &mut (impl Read + Write + Seek + Send),
    metrics: &Metrics,
    mut notes: Vec<(&str, String)>,
) -> io::Result<()> {
    let columns: Vec<Column<'_>> = Metrics::COLUMNS
        .iter()
        .zip(metrics.columns())
        .map(|(name, values)| Column {
            name,
            values,
            repeats: name.ends_with("accuracy"),
        })
        .collect();
    notes.push((seal::KEY, seal::ZEROS.to_owned()));
    let mut hashed = Hashed::new(&mut *out);
    write(
        &mut hashed,
        metrics.len(),
        |epoch| epoch as i64,
        &columns,
        notes,
    )?;
    let digest = hashed.digest();
    seal::seal_parquet(out, &digest)
}

/// The history in a `metrics.parquet` that fits its digest, and the notes in its footer.
///
/// # Errors
/// In what it is none.
pub(crate) fn read_history(
    file: File,
) -> std::result::Result<(Metrics, Vec<(String, String)>), String> {
    let failed = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let about = reader.metadata().file_metadata();
    let notes = about.key_value_metadata().into_iter().flatten();
    let notes = notes
        .filter_map(|note| Some((note.key.clone(), note.value.clone()?)))
        .collect();
    let column = |name: &str| {
        let columns = about.schema_descr().columns();
        let index = columns
            .iter()
            .position(|c| c.name() == name && c.physical_type() == Physical::DOUBLE)
            .ok_or_else(|| format!("it has no column {name} of doubles"))?;
        values::<DoubleType>(&reader, index)
    };
    let [train_loss, test_loss, train_accuracy, test_accuracy] = Metrics::COLUMNS;
    let columns = [
        column(train_loss)?,
        column(test_loss)?,
        column(train_accuracy)?,
        column(test_accuracy)?,
    ];
    let metrics = Metrics::from_columns(columns);
    Ok((
        metrics.ok_or("its columns are of different lengths")?,
        notes,
    ))
}

/// Epochs, and the name and the values of each series.
type Series = (Vec<u64>, Vec<(String, Vec<f64>)>);

/// The epochs and the series of a `series.parquet`.
///
/// # Errors
/// In what it is none.
pub(crate) fn read_series(file: File) -> std::result::Result<Series, String> {
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let (mut epochs, mut series) = (None, Vec::new());
    for (index, column) in columns.iter().enumerate() {
        match (column.name(), column.physical_type()) {
            ("epoch", Physical::INT64) => {
                let read = values::<Int64Type>(&reader, index)?;
                epochs = Some(read.into_iter().map(i64::cast_unsigned).collect::<Vec<_>>());
            }
            (name, Physical::DOUBLE) => {
                series.push((name.to_owned(), values::<DoubleType>(&reader, index)?));
            }
            (name, _) => return Err(format!("its column {name} is not of doubles")),
        }
    }
    let epochs = epochs.ok_or("it has no column epoch of integers")?;
    if series
        .iter()
        .all(|(_, values)| values.len() == epochs.len())
    {
        Ok((epochs, series))
    } else {
        Err("its columns are of different lengths".to_owned())
    }
}

/// The values of a column, over all groups of rows.
fn values<T: DataType>(
    reader: &SerializedFileReader<File>,
    index: usize,
) -> std::result::Result<Vec<T::T>, String> {
    let failed = |error: ParquetError| error.to_string();
    let mut values = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(failed)?;
        let column = group.get_column_reader(index).map_err(failed)?;
        get_typed_column_reader::<T>(column)
            .read_records(usize::MAX, None, None, &mut values)
            .map_err(failed)?;
    }
    Ok(values)
}

/// Writes a file with a column `epoch`, of so many rows, and columns of doubles; notes in its
/// footer.
///
/// # Errors
/// The system's, or the library's, none of which these columns can cause.
pub(crate) fn write(
    out: impl Write + Send,
    rows: usize,
    epoch: impl Fn(usize) -> i64,
    columns: &[Column<'_>],
    notes: Vec<(&str, String)>,
) -> io::Result<()> {
    write_groups(out, rows, epoch, columns, notes).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    })
}

/// A group of rows after the other, so that no more than one is in memory twice.
fn write_groups(
    out: impl Write + Send,
    rows: usize,
    epoch: impl Fn(usize) -> i64,
    columns: &[Column<'_>],
    notes: Vec<(&str, String)>,
) -> Result<()> {
    let mut writer = SerializedFileWriter::new(out, schema(columns)?, properties(columns))?;
    for (key, text) in notes {
        writer.append_key_value_metadata(KeyValue::new(key.to_owned(), text));
    }
    for start in (0..rows).step_by(GROUP) {
        let rows = start..rows.min(start + GROUP);
        let epochs: Vec<i64> = rows.clone().map(&epoch).collect();
        let mut group = writer.next_row_group()?;
        column::<Int64Type>(&mut group, &epochs)?;
        for of in columns {
            column::<DoubleType>(&mut group, &of.values[rows.clone()])?;
        }
        group.close()?;
    }
    writer.into_inner().map(|_| ())
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn schema(columns: &[Column<'_>]) -> Result<TypePtr> {
    let field = |name: &str, physical| {
        let field = Type::primitive_type_builder(name, physical);
        field
            .with_repetition(Repetition::REQUIRED)
            .build()
            .map(Arc::new)
    };
    let mut fields = vec![field("epoch", Physical::INT64)?];
    for column in columns {
        fields.push(field(column.name, Physical::DOUBLE)?);
    }
    Ok(Arc::new(
        Type::group_type_builder("metrics")
            .with_fields(fields)
            .build()?,
    ))
}

fn properties(columns: &[Column<'_>]) -> WriterPropertiesPtr {
    // One part: a name may have dots in it.
    let path = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_created_by("grokrun".to_owned())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP))
        .set_column_encoding(path("epoch"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(path("epoch"), false);
    for column in columns.iter().filter(|column| !column.repeats) {
        properties = properties.set_column_dictionary_enabled(path(column.name), false);
    }
    Arc::new(properties.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::history as made_up;

    fn of(metrics: &Metrics) -> Vec<u8> {
        let mut file = io::Cursor::new(Vec::new());
        history(&mut file, metrics, vec![("cell", "c".to_owned())]).unwrap();
        file.into_inner()
    }

    /// Reads a column over all row groups with the library's own reader.
    fn read<T: DataType>(file: &[u8], name: &str) -> Vec<T::T> {
        let reader = SerializedFileReader::new(bytes(file)).unwrap();
        let schema = reader.metadata().file_metadata().schema_descr();
        let index = schema
            .columns()
            .iter()
            .position(|c| c.name() == name)
            .unwrap();
        let mut values = Vec::new();
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).unwrap();
            let mut column = get_typed_column_reader::<T>(group.get_column_reader(index).unwrap());
            column
                .read_records(usize::MAX, None, None, &mut values)
                .unwrap();
        }
        values
    }

    fn bytes(file: &[u8]) -> std::fs::File {
        use std::io::{Seek, Write};
        let mut copy = tempfile::tempfile().unwrap();
        copy.write_all(file).unwrap();
        copy.rewind().unwrap();
        copy
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_history_comes_back_bit_for_bit() {
        for epochs in [0, 1, 1500, GROUP as u64 + 1] {
            let mut metrics = made_up(epochs);
            let odd = [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE / 2.0];
            metrics.push(crate::Row {
                epoch: epochs,
                train_loss: odd[0],
                test_loss: odd[1],
                train_accuracy: odd[2],
                test_accuracy: odd[3],
            });
            let file = of(&metrics);
            assert_eq!(
                read::<Int64Type>(&file, "epoch"),
                Vec::from_iter(0..=epochs as i64)
            );
            for (name, column) in Metrics::COLUMNS.iter().zip(metrics.columns()) {
                assert_eq!(
                    bits(&read::<DoubleType>(&file, name)),
                    bits(column),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_history_is_read_back_with_its_notes() {
        for epochs in [0, 1, 1500, GROUP as u64 + 1] {
            let metrics = made_up(epochs);
            let file = of(&metrics);
            assert_eq!(seal::check_parquet(&file), Ok(true));
            let (found, notes) = read_history(bytes(&file)).unwrap();
            assert_eq!(found, metrics);
            assert_eq!(notes[0], ("cell".to_owned(), "c".to_owned()));
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_or_leaves_no_digest() {
        let file = of(&made_up(40));
        let mut unsealed = 0;
        for at in 0..file.len() {
            for change in [1, 0x20, 0xff] {
                let mut changed = file.clone();
                changed[at] ^= change;
                unsealed += usize::from(seal::check_parquet(&changed) == Ok(false));
                assert_ne!(seal::check_parquet(&changed), Ok(true), "byte {at}");
            }
        }
        // The pair of the digest itself, without its 64 characters.
        assert_eq!(unsealed, 3 * 11);
    }

    #[test]
    fn no_epochs_are_a_table_without_rows() {
        let file = of(&Metrics::default());
        assert!(read::<Int64Type>(&file, "epoch").is_empty());
    }

    #[test]
    fn a_disk_that_is_full_is_reported_as_such() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Read for Full {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        impl Seek for Full {
            fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let error = history(&mut Full, &made_up(2000), vec![]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn the_same_history_gives_the_same_bytes() {
        let (one, two) = (of(&made_up(2000)), of(&made_up(2000)));
        assert!(one == two);
        let fields = SerializedFileReader::new(bytes(&one)).unwrap();
        assert_eq!(
            fields.metadata().file_metadata().created_by(),
            Some("grokrun")
        );
    }
}
