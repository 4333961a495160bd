//! When work is worth sharing between threads.

/// Rows up to which a series is worked on by the thread that has it: two weeks of one row in five minutes.
///
/// Such a series costs a millisecond or two, and a scan has thousands of them: threads that share one wait for
/// each other longer than they work.
pub(crate) const SMALL_ROWS: usize = 1 << 12;

/// The least number of tasks that a thread takes at a time, for work on `rows` rows: rayon's `with_min_len`. All
/// tasks of a small series, so that the calling thread does them without a look at the others.
pub(crate) fn min_tasks(rows: usize) -> usize {
    if rows <= SMALL_ROWS { usize::MAX } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn the_tasks_of_a_small_series_stay_on_the_calling_thread() {
        let threads: Vec<_> = (0..1000)
            .into_par_iter()
            .with_min_len(min_tasks(SMALL_ROWS))
            .map(|_| std::thread::current().id())
            .collect();
        let caller = std::thread::current().id();
        assert!(threads.iter().all(|&thread| thread == caller));
    }
}
