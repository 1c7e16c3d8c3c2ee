//! A file's bytes on their way to the client: chunk by chunk, one at a time.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::reads::{CHUNK, Reads};

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Words of the gateway's own.
    Words(Bytes),
    /// So many bytes of the file from there.
    Part { at: u64, len: u64 },
}

/// A file, or parts of it. A file that has become shorter breaks the answer off: its length was
/// said already.
pub(crate) struct FileBody {
    file: Arc<File>,
    pieces: VecDeque<Piece>,
    /// Bytes yet to come.
    left: u64,
    reads: Reads,
    reading: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl FileBody {
    pub(super) fn new(file: File, pieces: Vec<Piece>, reads: Reads) -> Self {
        let left = pieces.iter().map(Piece::len).sum();
        Self { file: Arc::new(file), pieces: pieces.into(), left, reads, reading: None }
    }

    /// How many bytes are to come.
    pub(super) fn len(&self) -> u64 {
        self.left
    }

    /// Begins to read the next chunk; what needs no reading is given at once.
    fn begin(&mut self) -> Option<Bytes> {
        match self.pieces.pop_front()? {
            Piece::Words(words) => return Some(words),
            Piece::Part { at, len } => {
                let chunk = len.min(CHUNK as u64);
                if len > chunk {
                    self.pieces.push_front(Piece::Part { at: at + chunk, len: len - chunk });
                }
                let (file, reads) = (self.file.clone(), self.reads.clone());
                // At most `CHUNK`.
                let n_bytes = usize::try_from(chunk).unwrap_or(CHUNK);
                self.reading = Some(Box::pin(async move {
                    let read = move || {
                        let mut bytes = vec![0; n_bytes];
                        file.read_exact_at(&mut bytes, at)?;
                        Ok(bytes.into())
                    };
                    reads.run(read).await
                }));
            }
        }
        None
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Words(words) => words.len() as u64,
            Self::Part { len, .. } => *len,
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let bytes = loop {
            if let Some(reading) = &mut this.reading {
                let read = ready!(reading.as_mut().poll(cx));
                this.reading = None;
                break match read {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        tracing::warn!(%error, "an answer from a file broke off");
                        this.pieces.clear();
                        this.left = 0;
                        return Poll::Ready(Some(Err(error)));
                    }
                };
            }
            if this.pieces.is_empty() {
                return Poll::Ready(None);
            }
            if let Some(words) = this.begin() {
                break words;
            }
        };
        this.left = this.left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() && self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("left", &self.left).finish_non_exhaustive()
    }
}
