//! Body of a response with results. It is sent in parts and keeps the slot of its request until the last one, so that responses that
//! are not read are part of the bytes in memory.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chassis::serve::error_page;
use hyper::body::{Frame, SizeHint};

use super::admission::Slot;
use super::outcome::{Outcome, response_status, response_text};
use super::rejection::RETRY_AFTER_S;

/// The size of a part. The HTTP library requests the next one when it has sent most of the last one.
const PART_BYTES: usize = 16 << 10;

struct Results {
    rest: Bytes,
    slot: Option<Slot>,
}

/// Returns the response to a request.
pub(super) fn response_of(outcomes: &[Outcome], slot: Slot) -> Response {
    let status = StatusCode::from_u16(response_status(outcomes)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = match response_text(outcomes) {
        Ok(text) => text,
        // Never: the results are numbers and texts.
        Err(error) => return error_page(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let body = Body::new(Results { rest: text.into(), slot: Some(slot) });
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
    }
    response
}

impl HttpBody for Results {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            self.slot = None;
            return Poll::Ready(None);
        }
        let count = self.rest.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
