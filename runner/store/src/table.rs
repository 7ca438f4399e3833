//! `metrics.parquet` and `series.parquet`: numbers over epochs as pandas, polars and DuckDB read
//! them.
//!
//! Columns `epoch` (int64) and the metrics or series (double), none nullable. Losses hardly repeat,
//! so they are stored plain; accuracies do, and get a dictionary; epochs are differences. The bytes
//! depend on the history alone: no time, no version.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Repetition, Type as Physical};
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::Metrics;

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

/// Writes `metrics.parquet`.
///
/// # Errors
/// As [`write()`].
pub(crate) fn history(out: impl Write + Send, metrics: &Metrics) -> io::Result<()> {
    let columns: Vec<Column<'_>> = Metrics::COLUMNS
        .iter()
        .zip(metrics.columns())
        .map(|(name, values)| Column {
            name,
            values,
            repeats: name.ends_with("accuracy"),
        })
        .collect();
    write(out, metrics.len(), |epoch| epoch as i64, &columns)
}

/// Writes a file with a column `epoch`, of so many rows, and columns of doubles.
///
/// # Errors
/// The system's, or the library's, none of which these columns can cause.
pub(crate) fn write(
    out: impl Write + Send,
    rows: usize,
    epoch: impl Fn(usize) -> i64,
    columns: &[Column<'_>],
) -> io::Result<()> {
    write_groups(out, rows, epoch, columns).map_err(|error| match error {
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
) -> Result<()> {
    let mut writer = SerializedFileWriter::new(out, schema(columns)?, properties(columns))?;
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
    use parquet::column::reader::get_typed_column_reader;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::metrics::tests::history as made_up;

    fn of(metrics: &Metrics) -> Vec<u8> {
        let mut file = Vec::new();
        history(&mut file, metrics).unwrap();
        file
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
    fn no_epochs_are_a_table_without_rows() {
        let file = of(&Metrics::default());
        assert!(read::<Int64Type>(&file, "epoch").is_empty());
    }

    #[test]
    fn a_disk_that_is_full_is_told_as_such() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = history(Full, &made_up(2000)).unwrap_err();
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
