//! Work side by side, results in order.
//!
//! Plain threads, which may wait for polars; arithmetic within a piece of work runs on rayon's threads, which
//! never do. One collector, on the caller's thread, puts the results back into their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};

use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// How often the collector looks whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long work may take to notice that it is abandoned. After that it is not waited for: a file system that
/// does not answer, or one long step of arithmetic, shall not keep the run from ending.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Does `count` pieces of work on up to `workers` threads and hands each result to `take`, in the order of the
/// pieces. `work` returns `None` where it was stopped. Returns the numbers of the pieces that were left.
///
/// # Errors
/// Those of `take`, after which no further work is begun; [`ErrorKind::Internal`] where no thread can be started.
pub(super) fn in_order<T, W>(
    count: usize,
    workers: usize,
    stop: &CancelToken,
    work: W,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<Vec<usize>>
where
    T: Send + 'static,
    W: Fn(usize) -> Option<T> + Send + Sync + 'static,
{
    let workers = workers.clamp(1, count.max(1));
    let (send, receive) = crossbeam_channel::bounded(2 * workers);
    let pieces = Arc::new(Pieces {
        work,
        count,
        next: AtomicUsize::new(0),
        stop: stop.clone(),
    });
    for number in 0..workers {
        let (pieces, send) = (Arc::clone(&pieces), send.clone());
        let started = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                pieces.take_all(&send);
                // The collector takes the end of the last sender for the end of all work.
                drop(pieces);
                drop(send);
            });
        match started {
            Ok(_) => {}
            // Fewer do as well.
            Err(_) if number > 0 => break,
            Err(cause) => {
                return Err(
                    Error::new(ErrorKind::Internal, "no thread can be started").caused_by(cause)
                );
            }
        }
    }
    drop(send);
    drop(pieces);
    let mut early = BTreeMap::new();
    let mut expected = 0;
    let mut failed = None;
    let mut stopped: Option<Instant> = None;
    loop {
        match receive.recv_timeout(POLL_INTERVAL) {
            Ok((number, result)) => {
                early.insert(number, result);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if stop.check().is_err() {
            match stopped {
                Some(since) if since.elapsed() > PATIENCE => break,
                Some(_) => {}
                None => stopped = Some(Instant::now()),
            }
        }
        while failed.is_none()
            && let Some(result) = early.remove(&expected)
        {
            expected += 1;
            if let Err(error) = take(result) {
                stop.cancel();
                failed = Some(error);
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // Pieces that were finished behind one that was abandoned.
    let mut left = Vec::new();
    for number in expected..count {
        match early.remove(&number) {
            Some(result) => take(result)?,
            None => left.push(number),
        }
    }
    Ok(left)
}

/// Does `work` with rayon's tasks on this thread alone: handing the little work of a small input to other
/// threads and waiting for them takes longer than doing it. `work` must not wait for a task that it has spawned.
pub(super) fn on_this_thread<T>(work: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    thread_local! {
        static ALONE: Option<rayon::ThreadPool> = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build()
            .ok();
    }
    // Where a pool cannot be made, the threads that all share do as well.
    ALONE.with(|pool| match pool {
        Some(pool) => pool.install(work),
        None => work(),
    })
}

/// What the worker threads share.
struct Pieces<W> {
    work: W,
    count: usize,
    /// The next piece that nobody has taken.
    next: AtomicUsize,
    stop: CancelToken,
}

impl<W> Pieces<W> {
    /// Does one piece after the other until none is left, or the run is to stop.
    fn take_all<T>(&self, send: &Sender<(usize, T)>)
    where
        W: Fn(usize) -> Option<T>,
    {
        while self.stop.check().is_ok() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.count {
                return;
            }
            let Some(result) = (self.work)(number) else {
                return;
            };
            // The collector is gone only where the run is over.
            if send.send((number, result)).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        let mut taken = Vec::new();
        let work = |number: usize| {
            std::thread::sleep(Duration::from_micros(((number * 7) % 5) as u64 * 200));
            Some(number)
        };
        let left = in_order(40, 4, &CancelToken::new(), work, |number| {
            taken.push(number);
            Ok(())
        });
        assert_eq!(left.unwrap(), Vec::<usize>::new());
        assert!(taken.into_iter().eq(0..40));
    }

    #[test]
    fn work_on_this_thread_stays_there() {
        std::thread::spawn(|| {
            let this = std::thread::current().id();
            let threads: Vec<_> = on_this_thread(|| {
                let tasks = (0..100).into_par_iter();
                tasks.map(|_| std::thread::current().id()).collect()
            });
            assert_eq!(threads, [this; 100]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_is_not_done_when_the_run_is_stopped_is_listed() {
        let stop = CancelToken::new();
        let mut taken = Vec::new();
        let token = stop.clone();
        let work = move |number: usize| {
            if number == 2 {
                token.cancel();
                return None;
            }
            Some(number)
        };
        let left = in_order(5, 1, &stop, work, |number| {
            taken.push(number);
            Ok(())
        });
        assert_eq!((taken, left.unwrap()), (vec![0, 1], vec![2, 3, 4]));
    }

    #[test]
    fn an_error_of_the_collector_ends_the_run() {
        let refuse = |_: usize| Err(Error::new(ErrorKind::Write, "full"));
        let result = in_order(1000, 2, &CancelToken::new(), Some, refuse);
        assert_eq!(result.unwrap_err().to_string(), "full");
    }
}
