//! Walks folders and globs for files that can be logs.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use super::candidates::is_log_name;
use super::logs::Join;
use super::{Location, Skipped};
use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// What is looked for beside the paths that the user names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchOptions {
    /// Globs of what is not wanted: without a slash of names, with one of paths.
    pub exclude: Vec<String>,
    /// What is one log; `None` for rotated record logs and single series files.
    pub join: Option<Join>,
    /// Name of the log, in place of the one that its path gives.
    pub log: Option<String>,
    /// Whether what would be skipped in a folder is a failure.
    pub strict: bool,
}

/// Knows which files isoscan wrote itself, so that no scan takes them for logs.
pub(crate) trait OwnFiles {
    /// Whether a file or folder of this name is isoscan's, and not even an output.
    fn is_internal(&self, name: &OsStr) -> bool;

    /// The files that isoscan has written into and below `folder`, as paths that start with it; `None` where it
    /// is not an output folder.
    fn below(&self, folder: &Path) -> Option<Vec<PathBuf>>;

    /// Whether a name in an output folder can only be that of an output.
    fn is_output(&self, name: &OsStr) -> bool;
}

/// Why an input is skipped that the user does not want.
const EXCLUDED: &str = "excluded with --exclude";

/// An input that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) location: Location,
    /// Whether the user named it outright.
    pub(super) is_named: bool,
}

/// Patterns of what is not wanted. One without a slash is about names of files and folders, one with a slash about
/// paths.
struct Excluded {
    names: GlobSet,
    paths: GlobSet,
}

impl Excluded {
    /// # Errors
    /// [`ErrorKind::Setting`] where a pattern is no glob.
    fn new(patterns: &[String]) -> Result<Self> {
        let bad = |pattern: &str, cause: globset::Error| {
            Error::new(
                ErrorKind::Setting,
                format!("--exclude {pattern:?} is not a glob"),
            )
            .caused_by(cause)
        };
        let set = |is_path: bool| {
            let mut set = GlobSetBuilder::new();
            for pattern in patterns
                .iter()
                .filter(|pattern| pattern.contains('/') == is_path)
            {
                let glob = GlobBuilder::new(pattern).literal_separator(true).build();
                set.add(glob.map_err(|cause| bad(pattern, cause))?);
            }
            set.build().map_err(|cause| bad("", cause))
        };
        Ok(Self {
            names: set(false)?,
            paths: set(true)?,
        })
    }

    fn matches(&self, path: &Path) -> bool {
        path.file_name()
            .is_some_and(|name| self.names.is_match(name))
            || self.paths.is_match(tidy(path))
    }
}

pub(super) struct Search<'a> {
    own_files: &'a dyn OwnFiles,
    exclude: Excluded,
    stop: CancelToken,
    out_dir: Option<PathBuf>,
    /// What isoscan has written, by true paths.
    own: HashSet<PathBuf>,
    /// Folders whose outputs are in `own`, or that have none.
    looked_at: HashSet<PathBuf>,
    /// Those of them that isoscan has written to.
    output_folders: HashSet<PathBuf>,
    /// Where in `found` a file is, by its true path.
    seen: HashMap<PathBuf, usize>,
    pub(super) found: Vec<Found>,
    /// Patterns that no file matches.
    pub(super) unmatched: Vec<PathBuf>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) failed: Vec<Error>,
}

impl<'a> Search<'a> {
    /// A search that has not looked at anything.
    ///
    /// # Errors
    /// Those of [`Excluded::new`].
    pub(super) fn new(
        options: &SearchOptions,
        out_dir: &Path,
        own_files: &'a dyn OwnFiles,
        stop: &CancelToken,
    ) -> Result<Self> {
        let mut search = Self {
            own_files,
            exclude: Excluded::new(&options.exclude)?,
            stop: stop.clone(),
            own: HashSet::new(),
            looked_at: HashSet::new(),
            output_folders: HashSet::new(),
            out_dir: fs::canonicalize(out_dir).ok(),
            seen: HashMap::new(),
            found: Vec::new(),
            unmatched: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
        };
        if let Some(out_dir) = search.out_dir.clone() {
            search.learn(&out_dir);
        }
        Ok(search)
    }

    pub(super) fn take(&mut self, path: &Path) {
        if path == Path::new("-") {
            let stdin = Found {
                location: Location::StandardInput,
                is_named: true,
            };
            return self.found(PathBuf::from("-"), stdin);
        }
        // What exists is meant as it stands, even where its name has a glob's characters in it.
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.walk(path),
            Ok(_) if self.is_own(path) => self.skip(path, "an output of an earlier scan"),
            Ok(_) if self.exclude.matches(path) => self.skip(path, EXCLUDED),
            Ok(_) => self.add(path, true),
            Err(cause) if is_glob(path) => match self.glob(path) {
                Ok(()) => {}
                Err(error) => self.failed.push(error.caused_by(cause)),
            },
            Err(cause) => {
                let kind = match cause.kind() {
                    io::ErrorKind::NotFound => ErrorKind::NotFound,
                    _ => ErrorKind::Read,
                };
                let message = "cannot be opened";
                self.failed
                    .push(Error::new(kind, message).at(path).caused_by(cause));
            }
        }
    }

    fn walk(&mut self, root: &Path) {
        let before = (self.seen.len(), self.skipped.len());
        let mut others = false;
        self.learn_above(root);
        let mut entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            if self.stop.requested() {
                return;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(cause) => {
                    let path = cause.path().unwrap_or(root).to_path_buf();
                    if cause.loop_ancestor().is_some() {
                        self.skip(&path, "a symbolic link to a folder above it");
                    } else {
                        self.fail(root, cause);
                    }
                    continue;
                }
            };
            let path = entry.path();
            others |= !entry.file_type().is_dir();
            if is_hidden(&entry) {
                if !self.own_files.is_internal(entry.file_name()) {
                    self.skip(path, "hidden");
                }
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            } else if entry.depth() > 0 && self.exclude.matches(path) {
                self.skip(path, EXCLUDED);
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            } else if entry.file_type().is_dir() {
                if entry.depth() > 0 && self.is_out_dir(path) {
                    entries.skip_current_dir();
                } else {
                    self.learn(path);
                }
            } else {
                self.candidate(path, entry.file_type().is_file());
            }
        }
        if (self.seen.len(), self.skipped.len()) == before && !others {
            self.skip(root, "an empty folder");
        }
    }

    fn glob(&mut self, pattern: &Path) -> Result<()> {
        let bad = |cause| {
            Error::new(ErrorKind::NotFound, "no such file, and not a glob either")
                .at(pattern)
                .caused_by(Box::<dyn std::error::Error + Send + Sync>::from(cause))
        };
        let text = pattern
            .to_str()
            .ok_or_else(|| bad("not valid UTF-8".to_owned()))?;
        let matcher = GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|cause| bad(cause.to_string()))?
            .compile_matcher();
        let root: PathBuf = pattern
            .components()
            .take_while(|part| !is_glob(Path::new(part)))
            .collect();
        let start = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &root
        };
        // As in a shell: hidden entries are meant only where the pattern names one.
        let wants_hidden = pattern.components().any(
            |part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")),
        );
        self.learn_above(start);
        let mut matched = false;
        let mut entries = WalkDir::new(start)
            .max_depth(depth_of(pattern, &root))
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            self.stop.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                // A link in a circle matches nothing that is not found without it, and below a folder
                // that is not there nothing matches.
                Err(cause) if cause.loop_ancestor().is_some() || cause.depth() == 0 => continue,
                // A link that leads nowhere is meant only where the pattern matches its name.
                Err(cause)
                    if is_missing(&cause)
                        && !cause
                            .path()
                            .is_some_and(|path| matcher.is_match(tidy(path))) =>
                {
                    continue;
                }
                Err(cause) => {
                    self.fail(start, cause);
                    matched = true;
                    continue;
                }
            };
            if entry.depth() > 0 && entry.file_type().is_dir() && self.is_out_dir(entry.path()) {
                entries.skip_current_dir();
                continue;
            }
            if !wants_hidden && is_hidden(&entry) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            let path = if root.as_os_str().is_empty() {
                entry.path().strip_prefix(".").unwrap_or(entry.path())
            } else {
                entry.path()
            };
            if entry.file_type().is_dir() {
                self.learn(path);
                continue;
            }
            if entry.depth() == 0 || !matcher.is_match(path) {
                continue;
            }
            matched = true;
            if self.exclude.matches(path) {
                self.skip(path, EXCLUDED);
            } else {
                self.candidate(path, entry.file_type().is_file());
            }
        }
        if !matched {
            self.unmatched.push(pattern.to_path_buf());
        }
        Ok(())
    }

    /// A file met in a folder or by a glob: taken when its name says that it can be a log.
    fn candidate(&mut self, path: &Path, regular: bool) {
        if self.is_own(path) {
            // It is not listed as skipped: the user did not ask about it.
        } else if !regular {
            self.skip(path, "not a regular file");
        } else if !is_log_name(path) {
            self.skip(path, "its name is not that of a log");
        } else {
            self.add(path, false);
        }
    }

    fn add(&mut self, path: &Path, is_named: bool) {
        // Two names of one file, as `a/x.csv` and `./a/x.csv`, are one input.
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let found = Found {
            location: Location::File(tidy(path)),
            is_named,
        };
        self.found(identity, found);
    }

    /// Takes an input. Of several names of one file, the file's own wins over a link, then the first in the alphabet:
    /// the order in which they are met does not matter.
    fn found(&mut self, identity: PathBuf, found: Found) {
        match self.seen.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(self.found.len());
                self.found.push(found);
            }
            Entry::Occupied(place) => {
                let (identity, at) = (place.key().clone(), *place.get());
                let kept = &mut self.found[at];
                let is_named = kept.is_named || found.is_named;
                let rank = |found: &Found| {
                    let parts = found.location.path().components().count();
                    (is_link(found, &identity), parts, found.location.clone())
                };
                let mut other = found;
                if rank(&other) < rank(kept) {
                    std::mem::swap(kept, &mut other);
                }
                kept.is_named = is_named;
                let kept = kept.location.path().display().to_string();
                if is_link(&other, &identity) {
                    self.skip(
                        other.location.path(),
                        &format!("a link to {kept}, which is scanned"),
                    );
                }
            }
        }
    }

    /// Finds out what isoscan has written into a folder.
    fn learn(&mut self, folder: &Path) {
        if let Ok(folder) = fs::canonicalize(folder)
            && self.looked_at.insert(folder.clone())
            && let Some(files) = self.own_files.below(&folder)
        {
            self.own.extend(files);
            // Names alone tell nothing in a folder that isoscan has not written to.
            self.output_folders.insert(folder);
        }
    }

    /// The same for the folders above one: the outputs of a scan may lie deep below its output folder.
    fn learn_above(&mut self, folder: &Path) {
        if let Ok(folder) = fs::canonicalize(folder) {
            folder.ancestors().for_each(|above| self.learn(above));
        }
    }

    fn is_own(&self, path: &Path) -> bool {
        !self.own.is_empty()
            && fs::canonicalize(path).is_ok_and(|path| {
                let named_as_one = || {
                    let mut above = path.ancestors().skip(1);
                    path.file_name()
                        .is_some_and(|name| self.own_files.is_output(name))
                        && above.any(|folder| self.output_folders.contains(folder))
                };
                self.own.contains(&path) || named_as_one()
            })
    }

    /// Something below `root` that could not be looked at.
    fn fail(&mut self, root: &Path, cause: walkdir::Error) {
        let path = cause.path().unwrap_or(root).to_path_buf();
        self.failed.push(
            Error::new(ErrorKind::Read, "cannot be read")
                .at(tidy(&path))
                .caused_by(plain_cause(cause)),
        );
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.skipped.push(Skipped {
            path: tidy(path),
            reason: reason.to_owned(),
        });
    }

    fn is_out_dir(&self, path: &Path) -> bool {
        self.out_dir.is_some() && fs::canonicalize(path).ok() == self.out_dir
    }
}

/// How deep below `root` a match of `pattern` can lie.
fn depth_of(pattern: &Path, root: &Path) -> usize {
    let any_depth = pattern
        .as_os_str()
        .as_encoded_bytes()
        .windows(2)
        .any(|pair| pair == b"**");
    if any_depth {
        usize::MAX
    } else {
        // A slash within braces counts too: at worst a folder more is looked at.
        pattern.components().count() - root.components().count()
    }
}

fn plain_cause(cause: walkdir::Error) -> String {
    match cause.io_error() {
        Some(io) => io.to_string(),
        None => cause.to_string(),
    }
}

/// `./x` as `x`: the same file under the name that the user would type.
fn tidy(path: &Path) -> PathBuf {
    let tidied: PathBuf = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect();
    if tidied.as_os_str().is_empty() {
        path.to_path_buf()
    } else {
        tidied
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_glob(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b"*?[{".contains(byte))
}

/// Whether a name leads to its file through a link. `identity` is the file's true path.
fn is_link(found: &Found, identity: &Path) -> bool {
    let Ok(path) = std::path::absolute(found.location.path()) else {
        return false;
    };
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain != identity
}

/// Whether a link leads nowhere.
fn is_missing(cause: &walkdir::Error) -> bool {
    cause
        .io_error()
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}
