//! An answer's body on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::entry::Entry;
use crate::balance::UnderWay;
use crate::server::Busy;
use crate::upstream::body::{AnswerBody, AnswerError};

/// What the client gets, whoever it is from. Its connection isn't idle before this is dropped,
/// which hyper does when it has taken the last of it.
#[derive(Debug)]
pub(crate) struct Outbound {
    body: AnswerBody,
    bytes: u64,
    /// Whether the end was seen.
    whole: bool,
    entry: Option<Entry>,
    _busy: Busy,
    /// The route has this to do until then.
    _under_way: Option<UnderWay>,
}

impl Outbound {
    /// `bodiless`: the client gets no body, whatever there is, as with `HEAD`.
    pub(super) fn new(
        body: AnswerBody,
        bodiless: bool,
        entry: Option<Entry>,
        busy: Busy,
        under_way: Option<UnderWay>,
    ) -> Self {
        let whole = bodiless || body.is_end_stream();
        Self { body, bytes: 0, whole, entry, _busy: busy, _under_way: under_way }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.whole |= self.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => self.whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        let (bytes, whole) = (self.bytes, self.whole);
        if let Some(entry) = &mut self.entry {
            entry.ended(bytes, whole);
        }
    }
}
