//! Bodies that tell their connection when they have come, and when they have gone.

use super::table::{Phase, Slot};
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body of a request.
pub(super) struct ReceivedBody {
    body: Incoming,
    slot: Arc<Slot>,
}

impl ReceivedBody {
    /// As long as it has not come as a whole, the server waits for the client.
    pub(super) fn wrap(body: Incoming, slot: &Arc<Slot>) -> Body {
        slot.set_answering(true);
        if body.is_end_stream() {
            slot.enter(Phase::Work);
            return Body::new(body);
        }
        slot.enter(Phase::Body);
        let slot = Arc::clone(slot);
        Body::new(ReceivedBody { body, slot })
    }
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.slot.leave(Phase::Body);
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

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        self.slot.leave(Phase::Body);
    }
}

/// The body of an answer. When it has been sent, the connection is idle.
pub(super) struct SentBody {
    body: Body,
    slot: Arc<Slot>,
}

impl SentBody {
    pub(super) fn new(body: Body, slot: Arc<Slot>) -> SentBody {
        SentBody { body, slot }
    }
}

impl HttpBody for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        self.slot.set_answering(false);
        self.slot.enter(Phase::Idle);
    }
}
