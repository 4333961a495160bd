//! The bytes of a source as they lie there, watched: reading ends when the run is to stop, and what was
//! read is hashed on the way, so that a later run can tell whether it has seen these bytes before.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use xxhash_rust::xxh3::Xxh3;

use super::{Location, Source};
use crate::runtime::cancel::CancelToken;
use crate::storage::fingerprint::Fingerprint;

/// Watches over the reading of one source.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    stop: CancelToken,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    bytes: u64,
    hasher: Xxh3,
}

impl Watch {
    pub(crate) fn new(stop: &CancelToken) -> Self {
        Self {
            stop: stop.clone(),
            seen: Arc::default(),
        }
    }

    /// What was read so far.
    pub(crate) fn content(&self) -> Fingerprint {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Fingerprint {
            bytes: seen.bytes,
            hash: seen.hasher.digest(),
        }
    }

    /// Opens the bytes of `source`.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn open(&self, source: &Source) -> io::Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> = match &source.location {
            Location::StandardInput => Box::new(Pipe::new(&self.stop, || Ok(io::stdin()))),
            Location::File(path) if is_stream(path) => {
                let path = path.clone();
                Box::new(Pipe::new(&self.stop, move || File::open(path)))
            }
            Location::File(path) => Box::new(SteadyFile::open(path)?),
        };
        Ok(Box::new(Watched {
            raw,
            watch: self.clone(),
        }))
    }
}

/// Whether opening or reading the file may wait for another program.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

struct Watched {
    raw: Box<dyn Read + Send>,
    watch: Watch,
}

impl Read for Watched {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        self.watch.stop.check_io()?;
        let read = self.raw.read(block)?;
        let mut seen = self
            .watch
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.bytes += read as u64;
        seen.hasher.update(&block[..read]);
        Ok(read)
    }
}

/// A file whose end is believed only where it has not become shorter since it was opened: the front
/// of a log that was cut off meanwhile is not the log.
pub(crate) struct SteadyFile {
    file: File,
    /// Size when it was opened; none of a pipe or device, which has no size.
    size: Option<u64>,
}

impl SteadyFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        let size = about.is_file().then_some(about.len());
        Ok(Self { file, size })
    }
}

impl Read for SteadyFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        if got == 0
            && !buffer.is_empty()
            && let Some(size) = self.size
            && self.file.metadata()?.len() < size
        {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        Ok(got)
    }
}

/// Bytes at a time from a pipe: as many as most systems keep in one.
const PIPE_BYTES: usize = 64 << 10;
/// Blocks of a pipe that are read ahead.
const PIPE_BLOCKS: usize = 8;
/// How often somebody who waits for a pipe looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A stream that another program writes, read on a thread of its own: a thread that waits for a pipe
/// cannot be stopped, but whoever waits for that thread can.
struct Pipe {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    taken: usize,
    stop: CancelToken,
}

impl Pipe {
    fn new<R: Read>(
        stop: &CancelToken,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Self {
        let (send, blocks) = bounded(PIPE_BLOCKS);
        // Without the thread the channel is closed, and nothing comes.
        let started = std::thread::Builder::new().name("pipe".to_owned()).spawn({
            let send = send.clone();
            move || {
                let mut pipe = match open() {
                    Ok(pipe) => pipe,
                    Err(cause) => return drop(send.send(Err(cause))),
                };
                loop {
                    let mut block = vec![0; PIPE_BYTES];
                    let (last, sent) = match pipe.read(&mut block) {
                        Ok(0) => return,
                        Ok(read) => {
                            block.truncate(read);
                            (false, send.send(Ok(block)))
                        }
                        Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                        Err(cause) => (true, send.send(Err(cause))),
                    };
                    if last || sent.is_err() {
                        return;
                    }
                }
            }
        });
        if let Err(cause) = started {
            // The channel has room for it, and its other end is held here.
            let _ = send.send(Err(cause));
        }
        Self {
            blocks,
            block: Vec::new(),
            taken: 0,
            stop: stop.clone(),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            match self.blocks.recv_timeout(LOOK) {
                Ok(block) => {
                    self.block = block?;
                    self.taken = 0;
                }
                Err(RecvTimeoutError::Timeout) => self.stop.check_io()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let left = &self.block[self.taken..];
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gives_all_bytes_and_then_its_end() {
        let text: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
        let mut pipe = Pipe::new(&CancelToken::new(), {
            let text = text.clone();
            move || Ok(io::Cursor::new(text))
        });
        let mut read = Vec::new();
        pipe.read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn whoever_waits_for_a_pipe_can_be_stopped() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_secs(60));
                Ok(0)
            }
        }
        let stop = CancelToken::new();
        let mut pipe = Pipe::new(&stop, || Ok(Endless));
        stop.request();
        let error = pipe.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
    }

    #[test]
    fn the_content_of_a_file_is_that_of_its_bytes_as_they_were_read() {
        let path = std::env::temp_dir().join(format!("isoscan-content-{}", std::process::id()));
        std::fs::write(&path, vec![7; 700_000]).unwrap();
        let source = Source {
            location: Location::File(path.clone()),
            output_stem: "x".into(),
            is_named: true,
        };
        let watch = Watch::new(&CancelToken::new());
        let mut read = Vec::new();
        watch.open(&source).unwrap().read_to_end(&mut read).unwrap();
        let content = Fingerprint::of_file(&path, &CancelToken::new()).unwrap();
        assert_eq!((content.bytes, watch.content()), (700_000, content));
        std::fs::remove_file(path).unwrap();
    }
}
