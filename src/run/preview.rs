//! What a scan would read, without scanning or writing anything.

use crate::config::Job;
use crate::format;
use crate::input::Source;
use crate::input::discover::{self, Discovered};
use crate::report::own_files::WrittenByIsoscan;
use crate::run::scan::with_base_name;
use crate::runtime::cancel::CancelToken;
use crate::support::error::Result;

/// What a scan would read: each source with its recognised format, or what is wrong with it.
#[derive(Debug)]
pub struct Preview {
    /// Each source, with its format in words.
    pub sources: Vec<(Source, Result<String>)>,
    /// What discovery found besides.
    pub found: Discovered,
}

/// Finds the sources of `job` and recognises their formats. Reads no more than the head of each.
///
/// # Errors
/// Where nothing matches.
pub fn preview(job: &Job) -> Result<Preview> {
    let (folder, stop) = (&job.output().folder, CancelToken::new());
    let mut found =
        discover::discover(job.inputs(), job.search(), folder, &WrittenByIsoscan, &stop)?;
    let sources = with_base_name(std::mem::take(&mut found.sources), job.output())?;
    let sources = sources
        .into_iter()
        .map(|source| {
            let form = format::recognise(&source, job.read());
            (source, form)
        })
        .collect();
    Ok(Preview { sources, found })
}
