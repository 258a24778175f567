//! Blocking work that really stops when nobody waits for it any more.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use pact_agent::AgentError;
use pact_contract::ErrorName;

/// Stack of a worker: parsers recurse. It takes memory only as far as it is used.
const STACK: usize = 512 * 1024 * 1024;

/// Raises the flag when it is dropped, which a time-out does.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread where it may block. When the returned future is dropped, the flag that
/// `work` was given is raised.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    let stop = Arc::new(AtomicBool::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let span = tracing::Span::current();
    let result = tokio::task::spawn_blocking(move || span.in_scope(|| work(&stop))).await;
    drop(guard);
    result.map_err(|e| AgentError::internal(format!("the work stopped: {e}")))?
}

/// Ends the work when the flag is raised.
pub(crate) fn check(stop: &AtomicBool) -> Result<(), AgentError> {
    if stop.load(Ordering::Relaxed) {
        return Err(AgentError::new(ErrorName::Timeout, "stopped at the function's deadline"));
    }
    Ok(())
}

/// Does `work` for every item on all processors; results in the order of the items.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    stop: &AtomicBool,
    work: impl Fn(&T) -> R + Sync,
) -> Result<Vec<R>, AgentError> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let ended = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(items.len()))
            .map(|_| {
                std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { break };
                        let result = work(item);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                    }
                })
            })
            .collect();
        workers.into_iter().all(|worker| worker.is_ok_and(|worker| worker.join().is_ok()))
    });
    check(stop)?;
    if !ended {
        return Err(AgentError::internal("a worker stopped unexpectedly"));
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let stop = AtomicBool::new(false);
        let doubled = each(&items, &stop, |n| n * 2).expect("works");
        assert_eq!(doubled, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_raised_flag_is_a_time_out() {
        let stop = AtomicBool::new(true);
        let error = each(&[1, 2], &stop, |n| *n).expect_err("is stopped");
        assert_eq!(error.name, ErrorName::Timeout);
    }

    #[tokio::test]
    async fn dropping_the_future_raises_the_flag() {
        let (tell, told) = std::sync::mpsc::channel();
        let work = blocking(move |stop| {
            while check(stop).is_ok() {
                std::thread::yield_now();
            }
            tell.send(()).map_err(|e| AgentError::internal(e.to_string()))
        });
        let limit = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(limit, work).await.is_err());
        told.recv_timeout(std::time::Duration::from_secs(10)).expect("the work has ended");
    }
}
