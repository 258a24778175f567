//! Polling in the context of another runtime.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future whose sockets, timers and spawned tasks are those of `handle`'s runtime, whichever
/// runtime polls it: it need not be handed from one to the other, which costs two wake-ups.
pub(super) struct Within<F> {
    handle: Handle,
    /// None once it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Within<F> {
    pub(super) fn new(handle: Handle, future: F) -> Self {
        Self { handle, future: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { handle, future } = &mut *self;
        let _entered = handle.enter();
        match future {
            Some(future) => future.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        let _entered = self.handle.enter();
        self.future = None;
    }
}
