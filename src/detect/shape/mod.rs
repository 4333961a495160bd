//! stub
use super::scorer::Kept;
use crate::error::Result;
use crate::series::Series;
/// stub
pub const LEAST_ROWS: usize = 200;
pub(super) fn judge(series: &Series, _seed: u64, _notes: &mut Vec<String>) -> Result<Kept> { Kept::by_forest(series, &Default::default()) }
