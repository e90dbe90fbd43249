//! Body of a request, observed: the connection has no use when a response is sent before the body was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};

/// The body of a request. Reports that it was read to its end.
pub(super) struct RequestBody {
    body: Incoming,
    is_read: IsRead,
}

/// `true` once the body of a request was read, and for a request without one.
#[derive(Clone, Default)]
pub(super) struct IsRead(Arc<AtomicBool>);

impl RequestBody {
    pub(super) fn new(body: Incoming, is_read: IsRead) -> Self {
        is_read.0.store(body.is_end_stream(), Ordering::Relaxed);
        Self { body, is_read }
    }
}

impl IsRead {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.0.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
