//! A body that leaves at its pace, for clients that stream what they send.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Pace;

/// Pieces a second, so that a large body leaves evenly.
const PIECES_PER_S: f64 = 10.0;
/// No smaller piece is worth a system call of its own.
const PIECE_BYTES_MIN: usize = 1 << 10;
/// No larger piece is handed over at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Bytes that leave piece by piece, none of them before its time. Its length is known beforehand, so that
/// what is sent is the same, byte by byte, as without a pace.
pub struct PacedBody {
    bytes: Bytes,
    pace: Pace,
    /// So many have left.
    left: usize,
    piece_bytes: usize,
    due: Pin<Box<Sleep>>,
}

impl PacedBody {
    /// A body of `bytes`.
    #[must_use]
    pub fn new(bytes: Bytes, pace: Pace) -> Self {
        let due = Box::pin(sleep_until(pace.begin.into()));
        let piece_bytes = piece_bytes(&pace);
        let mut body = Self { bytes, pace, left: 0, piece_bytes, due };
        body.wait_for_next();
        body
    }

    fn next_len(&self) -> usize {
        self.bytes.len().min(self.piece_bytes)
    }

    /// A piece leaves once all of it may.
    fn wait_for_next(&mut self) {
        let end = self.left + self.next_len();
        let due: Instant = self.pace.due(super::as_f64(end as u64)).into();
        self.due.as_mut().reset(due);
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.due.as_mut().poll(context));
        let len = self.next_len();
        let piece = self.bytes.split_to(len);
        self.left += len;
        self.wait_for_next();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held between two limits")]
fn piece_bytes(pace: &Pace) -> usize {
    ((pace.per_s() / PIECES_PER_S) as usize).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)
}
