//! The only place that writes files: whole under a temporary name, synced, then renamed.
//!
//! The temporary file lies beside its final place, so that the rename stays on one file system; a
//! reader sees the old file or the new one, never a part.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Temporary files start with this, so that they can be told from everything else in a folder.
const TEMPORARY_PREFIX: &str = ".isoscan-";

/// A file that is being written beside its final place; dropped without [`finish`](Self::finish), it
/// leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    writer: BufWriter<File>,
    place: Place,
}

/// A file that is written whole and waits for its final name; dropped without
/// [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    place: Place,
}

#[derive(Debug)]
struct Place {
    temporary: PathBuf,
    target: PathBuf,
    renamed: bool,
}

impl Staging {
    /// Opens a temporary file for `target`; missing folders above it are made.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the target's path.
    pub fn create(target: &Path) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = target.parent().unwrap_or(Path::new(""));
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(folder).map_err(|cause| unwritable(folder, cause))?;
        }
        let temporary = folder.join(format!(
            "{TEMPORARY_PREFIX}{}-{}.part",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|cause| unwritable(target, cause))?;
        Ok(Self {
            writer: BufWriter::with_capacity(256 << 10, file),
            place: Place {
                temporary,
                target: target.to_path_buf(),
                renamed: false,
            },
        })
    }

    /// Where the file will be.
    pub fn target(&self) -> &Path {
        &self.place.target
    }

    /// Flushes and syncs what was written.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the target's path.
    pub fn finish(mut self) -> Result<Staged> {
        let synced = self
            .writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_data());
        match synced {
            Ok(()) => Ok(Staged { place: self.place }),
            Err(cause) => Err(unwritable(&self.place.target, cause)),
        }
    }
}

impl Write for Staging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Staged {
    /// Gives the file its final name, over whatever had it; returns that name.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the target's path.
    pub fn commit(mut self) -> Result<PathBuf> {
        fs::rename(&self.place.temporary, &self.place.target)
            .map_err(|cause| unwritable(&self.place.target, cause))?;
        self.place.renamed = true;
        Ok(self.place.target.clone())
    }
}

/// Gives several files their final names: all of them, or on an error none.
///
/// # Errors
/// [`ErrorKind::Write`] with the path that cannot be written; those before it are removed again.
pub fn commit_all(staged: Vec<Staged>) -> Result<Vec<PathBuf>> {
    let mut committed: Vec<PathBuf> = Vec::with_capacity(staged.len());
    for file in staged {
        match file.commit() {
            Ok(path) => committed.push(path),
            Err(error) => {
                for path in committed {
                    // What cannot be removed is at least whole.
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
        }
    }
    Ok(committed)
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing more can be done about a temporary file that will not go.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file through `fill`, to be committed later.
///
/// # Errors
/// [`ErrorKind::Write`] with the target's path.
pub fn stage(target: &Path, fill: impl FnOnce(&mut Staging) -> io::Result<()>) -> Result<Staged> {
    let mut staging = Staging::create(target)?;
    fill(&mut staging).map_err(|cause| unwritable(target, cause))?;
    staging.finish()
}

/// Writes a whole file through `fill`.
///
/// # Errors
/// [`ErrorKind::Write`] with the target's path.
pub fn write(target: &Path, fill: impl FnOnce(&mut Staging) -> io::Result<()>) -> Result<PathBuf> {
    stage(target, fill)?.commit()
}

/// Makes sure that `folder` exists and can be written to.
///
/// # Errors
/// [`ErrorKind::Write`] with the folder's path.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|cause| unwritable(folder, cause))?;
    let probe = Staging::create(&folder.join("probe")).map_err(|error| match error.kind() {
        ErrorKind::Write => Error::new(
            ErrorKind::Write,
            format!("the output folder cannot be written to: {}", error.reason()),
        )
        .at(folder),
        _ => error,
    })?;
    drop(probe);
    Ok(())
}

/// The error of a file or folder that cannot be written.
pub(super) fn unwritable(path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Write, "cannot be written")
        .at(path)
        .caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("isoscan-atomic-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_file_appears_whole_and_leaves_no_temporary_behind() {
        let folder = folder("whole");
        let target = folder.join("a/b.csv");
        write(&target, |file| file.write_all(b"rows\n")).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"rows\n");
        assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = folder("failing");
        let target = folder.join("b.csv");
        write(&target, |file| file.write_all(b"old\n")).unwrap();
        let error = write(&target, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk on fire"))
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("b.csv: cannot be written: disk on fire")
        );
        assert_eq!(fs::read(&target).unwrap(), b"old\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
