//! A table of a whole run, written as CSV and parquet at once.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::cells::Line;
use super::parquet::{GROUP_ROWS, ParquetTable, frame_failure, time_column, timestamp_type};
use crate::report::names::TableNames;
use crate::storage::atomic::{Staging, unwritable};
use crate::support::error::Result;

/// What stands in a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    Text,
    Time,
    Number,
    Count,
}

/// A table that is written row by row, cell by cell from left to right, in the order in which rows shall stand.
/// Its size costs no memory.
pub(super) struct CombinedTable {
    csv: Staging,
    line: Line,
    parquet: ParquetTable,
    columns: Vec<TypedColumn>,
    /// The column of the next cell.
    next: usize,
    /// Rows that wait to be written as a row group.
    waiting: usize,
}

/// The cells of one column that wait to be written.
struct TypedColumn {
    name: PlSmallStr,
    cells: Cells,
}

enum Cells {
    Text(StringChunkedBuilder),
    Time(Vec<i64>),
    Number(Vec<Option<f64>>),
    Count(Vec<u64>),
}

impl CombinedTable {
    /// Opens both files in `folder`, and writes the names of the columns.
    pub(super) fn create<'a>(
        folder: &Path,
        names: TableNames,
        columns: impl IntoIterator<Item = (&'a str, Cell)>,
        csv_safe: bool,
    ) -> Result<Self> {
        let mut line = Line::new(csv_safe);
        let mut schema = Schema::default();
        let columns = columns.into_iter().map(|(name, cell)| {
            line.text(name);
            let column = TypedColumn::new(name, cell);
            schema.insert(column.name.clone(), cell.data_type());
            column
        });
        let columns = columns.collect();
        let mut csv = Staging::create(&folder.join(names.csv))?;
        line.end(&mut csv)
            .map_err(|cause| unwritable(csv.target(), cause))?;
        let parquet = Staging::create(&folder.join(names.parquet))?;
        Ok(Self {
            csv,
            line,
            parquet: ParquetTable::new(parquet, schema)?,
            columns,
            next: 0,
            waiting: 0,
        })
    }

    fn next_cells(&mut self) -> Option<&mut Cells> {
        let column = self.columns.get_mut(self.next);
        self.next += 1;
        column.map(|column| &mut column.cells)
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.line.text(text);
        if let Some(Cells::Text(cells)) = self.next_cells() {
            cells.append_value(text);
        }
        self
    }

    pub(super) fn time(&mut self, timestamp_us: i64) -> &mut Self {
        self.line.iso_time(timestamp_us);
        if let Some(Cells::Time(cells)) = self.next_cells() {
            cells.push(timestamp_us);
        }
        self
    }

    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        self.number_if(Some(number))
    }

    /// A number, or an empty cell where there is none.
    pub(super) fn number_if(&mut self, number: Option<f64>) -> &mut Self {
        self.line.number_if(number);
        if let Some(Cells::Number(cells)) = self.next_cells() {
            cells.push(number);
        }
        self
    }

    pub(super) fn count(&mut self, count: u64) -> &mut Self {
        self.line.count(count);
        if let Some(Cells::Count(cells)) = self.next_cells() {
            cells.push(count);
        }
        self
    }

    /// Ends a row.
    pub(super) fn end_row(&mut self) -> Result<()> {
        self.line
            .end(&mut self.csv)
            .map_err(|cause| unwritable(self.csv.target(), cause))?;
        self.next = 0;
        self.waiting += 1;
        if self.waiting == GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let columns = self.columns.iter_mut().map(TypedColumn::take);
        let columns: PolarsResult<Vec<Column>> = columns.collect();
        // A cell of the wrong kind leaves its column short, and the table is refused here.
        let frame = columns.and_then(|columns| DataFrame::new(self.waiting, columns));
        self.waiting = 0;
        self.parquet.push(frame.map_err(frame_failure)?)
    }

    /// Gives both files their final names; returns these.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>> {
        if self.waiting > 0 {
            self.write_group()?;
        }
        let csv = self.csv.finish()?;
        let parquet = self.parquet.finish()?;
        Ok(vec![csv.commit()?, parquet.commit()?])
    }
}

impl Cell {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::Time => timestamp_type(),
            Self::Number => DataType::Float64,
            Self::Count => DataType::UInt64,
        }
    }
}

impl TypedColumn {
    fn new(name: &str, cell: Cell) -> Self {
        let name = PlSmallStr::from_str(name);
        let cells = match cell {
            Cell::Text => Cells::Text(StringChunkedBuilder::new(name.clone(), 0)),
            Cell::Time => Cells::Time(Vec::new()),
            Cell::Number => Cells::Number(Vec::new()),
            Cell::Count => Cells::Count(Vec::new()),
        };
        Self { name, cells }
    }

    /// The cells so far; the column is empty afterwards.
    fn take(&mut self) -> PolarsResult<Column> {
        let name = self.name.clone();
        Ok(match &mut self.cells {
            Cells::Text(cells) => {
                let fresh = StringChunkedBuilder::new(name, 0);
                std::mem::replace(cells, fresh)
                    .finish()
                    .into_series()
                    .into()
            }
            Cells::Time(cells) => time_column(&name, &std::mem::take(cells))?,
            Cells::Number(cells) => Column::new(name, std::mem::take(cells)),
            Cells::Count(cells) => Column::new(name, std::mem::take(cells)),
        })
    }
}
