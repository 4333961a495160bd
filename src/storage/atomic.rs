//! The only place that writes files: whole under a temporary name, counted and synced, then renamed.
//!
//! The temporary file lies beside its final place, so that the rename stays on one file system; a
//! reader sees the old file or the new one, never a part. It is locked for as long as its writer lives,
//! so that those of a dead one can be told and [swept](sweep).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use walkdir::WalkDir;
use xxhash_rust::xxh3::Xxh3;

use crate::storage::fingerprint::Fingerprint;
use crate::support::error::{Error, ErrorKind, Result};

/// Temporary files start with this, so that they can be told from everything else in a folder.
const TEMPORARY_PREFIX: &str = ".isoscan-";
/// And end with this.
const TEMPORARY_ENDING: &str = ".part";

/// A file that is being written beside its final place; dropped without [`finish`](Self::finish), it
/// leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    writer: BufWriter<Counted>,
    place: Place,
}

/// A file that is written whole and waits for its final name; dropped without
/// [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    place: Place,
    content: Fingerprint,
    /// Open, so that it stays locked.
    _file: File,
}

#[derive(Debug)]
struct Place {
    temporary: PathBuf,
    target: PathBuf,
    renamed: bool,
}

/// A file that knows what was written to it.
struct Counted {
    file: File,
    bytes: u64,
    hasher: Xxh3,
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.file.fmt(f)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Counted {
    /// Makes the file durable, and sure that all of it is there. What the system keeps back until a file
    /// is closed, it tells here.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()?;
        let found = self.file.metadata()?.len();
        if found != self.bytes {
            let written = self.bytes;
            return Err(io::Error::other(format!(
                "{written} bytes were written, and {found} are there"
            )));
        }
        Ok(())
    }
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
            "{TEMPORARY_PREFIX}{}-{}{TEMPORARY_ENDING}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|cause| unwritable(target, cause))?;
        // Where there are no locks, nothing is swept either.
        let _ = file.try_lock();
        let counted = Counted {
            file,
            bytes: 0,
            hasher: Xxh3::new(),
        };
        Ok(Self {
            writer: BufWriter::with_capacity(256 << 10, counted),
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

    /// Flushes, counts and syncs what was written.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the target's path.
    pub fn finish(self) -> Result<Staged> {
        let Self { writer, place } = self;
        let counted = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|counted| counted.sync().map(|()| counted));
        match counted {
            Ok(counted) => Ok(Staged {
                place,
                content: Fingerprint {
                    bytes: counted.bytes,
                    hash: counted.hasher.digest(),
                },
                _file: counted.file,
            }),
            Err(cause) => Err(unwritable(&place.target, cause)),
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
    /// What was written.
    pub fn content(&self) -> Fingerprint {
        self.content
    }

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

/// Makes the names of `files` durable: a rename is on disk once its folder is. Folders between them and
/// `root` are included.
///
/// # Errors
/// [`ErrorKind::Write`] with the folder's path.
pub fn sync_names<'a>(root: &Path, files: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let mut folders = BTreeSet::from([root]);
    for file in files {
        let above = file.ancestors().skip(1);
        for folder in above.take_while(|folder| folder.starts_with(root)) {
            if !folders.insert(folder) {
                break;
            }
        }
    }
    for folder in folders {
        sync_folder(folder).map_err(|cause| unwritable(folder, cause))?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A folder that may be written to but not read, or a file system that knows no such thing.
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a file is a temporary one by its name.
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMPORARY_PREFIX.as_bytes()) && name.ends_with(TEMPORARY_ENDING.as_bytes())
}

/// Removes the temporary files below `folder` whose writer has died.
pub fn sweep(folder: &Path) {
    for entry in WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_file()
            && is_temporary(entry.file_name())
            && let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            // What cannot be removed is swept the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
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
pub(crate) fn unwritable(path: &Path, cause: io::Error) -> Error {
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

    #[test]
    fn what_was_written_is_counted_and_hashed() {
        let folder = folder("counted");
        let target = folder.join("c");
        let staged = stage(&target, |file| {
            file.write_all(b"one")?;
            file.write_all(b"two")
        })
        .unwrap();
        let content = staged.content();
        let path = staged.commit().unwrap();
        sync_names(&folder, [path.as_path()]).unwrap();
        let found =
            Fingerprint::of_file(&path, &crate::runtime::cancel::CancelToken::new()).unwrap();
        assert_eq!((content, content.bytes), (found, 6));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_temporaries_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let folder = folder("swept");
        let living = Staging::create(&folder.join("a/b")).unwrap();
        for dead in [".isoscan-1-1.part", "a/.isoscan-1-2.part"] {
            fs::write(folder.join(dead), b"half").unwrap();
        }
        fs::write(folder.join("a/mine.part"), b"kept").unwrap();
        sweep(&folder);
        let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(&folder), names(&folder.join("a"))), (1, 2));
        drop(living);
        fs::remove_dir_all(folder).unwrap();
    }
}
