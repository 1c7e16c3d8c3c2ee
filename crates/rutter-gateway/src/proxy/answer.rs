//! Whether an upstream's answer has one meaning.
//!
//! hyper reads answers more kindly than requests: what it can't name it reads to the connection's
//! end. A client would get the bytes of a coding that nobody announces to it, or a length that
//! clients read in two ways. Such an answer is the upstream's fault, and a 502.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

/// Why an answer isn't passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    /// Another coding than `chunked`, or several (RFC 9112 6.1).
    #[error("its transfer coding is not chunked alone")]
    Coding,
    /// Lengths that aren't one number (RFC 9112 6.3).
    #[error("its content length is not one number")]
    Length,
}

/// Checks how an answer is framed, and says its length once if it was said several times.
///
/// # Errors
/// It could be read in two ways.
pub(super) fn check(headers: &mut HeaderMap) -> Result<(), BadAnswer> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => one_length(headers),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(BadAnswer::Coding),
    }
}

/// Equal lengths, in lines or a list, may be taken for one (RFC 9110 8.6); passed on, they would
/// be somebody else's riddle.
fn one_length(headers: &mut HeaderMap) -> Result<(), BadAnswer> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    let is_number = |n: &[u8]| !n.is_empty() && n.iter().all(u8::is_ascii_digit);
    if lines.next().is_none() && is_number(first.as_bytes()) {
        return Ok(());
    }
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let mut all = lines.flat_map(|l| l.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let one = all.next().unwrap_or_default();
    if !is_number(one) || all.any(|other| other != one) {
        return Err(BadAnswer::Length);
    }
    let one = HeaderValue::from_bytes(one).map_err(|_| BadAnswer::Length)?;
    headers.insert(CONTENT_LENGTH, one);
    Ok(())
}
