//! An answer's body on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::server::Busy;
use crate::upstream::body::AnswerBody;

/// What the client gets, whoever it is from. Its connection isn't idle before this is dropped,
/// which hyper does when it has taken the last of it.
#[derive(Debug)]
pub(crate) struct Outbound {
    body: AnswerBody,
    _busy: Busy,
}

impl Outbound {
    pub(super) fn new(body: AnswerBody, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
