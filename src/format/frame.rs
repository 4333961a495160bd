//! Steps of the lazy pipeline that every form shares.

use polars::prelude::*;

use crate::series::{Chunk, SeriesBuilder};
use crate::support::error::{Error, ErrorKind, Result};

/// The wanted columns of `source`, under the names of their roles; polars pushes this down into the
/// scan, which then reads no other column.
pub(crate) fn select(
    source: LazyFrame,
    timestamp: &PlSmallStr,
    values: &[PlSmallStr],
) -> LazyFrame {
    let mut wanted = vec![col(timestamp.clone()).alias(TIMESTAMP)];
    for (number, value) in values.iter().enumerate() {
        wanted.push(col(value.clone()).alias(value_name(number)));
    }
    source.select(wanted)
}

/// The timestamp column behind [`select`].
pub(crate) const TIMESTAMP: &str = "timestamp";

/// The `number`-th value column behind [`select`].
pub(crate) fn value_name(number: usize) -> PlSmallStr {
    format!("value_{number}").into()
}

/// Adds the rows of `frame`, microseconds and values without nulls, to `builder`. The frame's
/// memory becomes that of the series: nothing is copied.
pub(crate) fn push_rows(mut frame: DataFrame, builder: &mut SeriesBuilder) -> Result<()> {
    let mut columns = Vec::new();
    for number in 0..frame.width() - 1 {
        let column = frame.drop_in_place(&value_name(number)).map_err(internal)?;
        let numbers = column.f64().map_err(internal)?.clone();
        columns.push(numbers.downcast_into_iter());
    }
    let column = frame.drop_in_place(TIMESTAMP).map_err(internal)?;
    let timestamps = column.i64().map_err(internal)?.clone();
    drop(column);
    for part in timestamps.downcast_into_iter() {
        let values = columns
            .iter_mut()
            .map(|column| {
                column
                    .next()
                    .map_or_else(Vec::new, |array| array.into_inner().1.to_vec())
            })
            .collect();
        builder.push(Chunk::new(part.into_inner().1.to_vec(), values))?;
    }
    Ok(())
}

/// A failure of polars where none should be.
pub(crate) fn internal(cause: PolarsError) -> Error {
    Error::new(ErrorKind::Internal, "the lazy pipeline failed").caused_by(cause)
}
