//! The answer that a file is.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::proxy::headers::Head;
use crate::proxy::pages;
use crate::upstream::body::AnswerBody;

use super::body::{FileBody, Piece};
use super::conditions::{Validators, Verdict, is_same_for_range, judge};
use super::open::Opened;
use super::range::{Asked, Part, parse};
use super::reads::Reads;

/// Answers with a file, with parts of it, or with why not.
pub(super) fn answer(file: Opened, head: &Head, reads: &Reads) -> Response<AnswerBody> {
    let validators = Validators { tag: &file.tag, modified: file.modified };
    match judge(&head.headers, validators) {
        Verdict::Holds => {}
        Verdict::Failed => return pages::FILE_CHANGED.answer(head.headers.get(ACCEPT)),
        Verdict::NotModified => {
            let mut answer = Response::new(AnswerBody::Own(Default::default()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            describe(answer.headers_mut(), &file);
            return answer;
        }
    }
    let kind = media_type(&file);
    let asked = match head.headers.get(RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) if head.method == Method::GET => {
            match is_same_for_range(&head.headers, validators) {
                true => parse(range, file.len),
                false => Asked::Whole,
            }
        }
        _ => Asked::Whole,
    };
    let mut headers = HeaderMap::with_capacity(8);
    describe(&mut headers, &file);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, pieces) = match asked {
        Asked::Nothing => {
            let mut answer = pages::FILE_RANGE.answer(head.headers.get(ACCEPT));
            answer.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{}", file.len)));
            return answer;
        }
        Asked::Whole => {
            headers.insert(CONTENT_TYPE, value(&kind));
            let whole = Piece::Part { at: 0, len: file.len };
            (StatusCode::OK, vec![file.content.clone().map_or(whole, Piece::Words)])
        }
        Asked::Parts(parts) => match parts.as_slice() {
            [part] => {
                headers.insert(CONTENT_TYPE, value(&kind));
                headers.insert(CONTENT_RANGE, value(&part.said(file.len)));
                (StatusCode::PARTIAL_CONTENT, vec![piece(*part)])
            }
            parts => {
                let (boundary, pieces) = several(parts, &kind, &file);
                let kind = format!("multipart/byteranges; boundary={boundary}");
                headers.insert(CONTENT_TYPE, value(&kind));
                (StatusCode::PARTIAL_CONTENT, pieces)
            }
        },
    };
    let pieces = pieces.into_iter().filter(|piece| !matches!(piece, Piece::Part { len: 0, .. }));
    let body = FileBody::new(file.file, pieces.collect(), reads.clone());
    headers.insert(CONTENT_LENGTH, body.len().into());
    let body = match head.method {
        Method::HEAD => AnswerBody::Own(Default::default()),
        _ => AnswerBody::File(body),
    };
    let mut answer = Response::new(body);
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    answer
}

fn describe(headers: &mut HeaderMap, file: &Opened) {
    headers.insert(ETAG, value(&file.tag));
    headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(file.modified)));
}

/// By the name's ending; text is UTF-8, as nearly all of it is.
fn media_type(file: &Opened) -> String {
    let guessed = mime_guess::from_path(&file.path).first_raw();
    match guessed.unwrap_or("application/octet-stream") {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    }
}

/// Several parts in one body (RFC 9110 14.6), and what stands between them: drawn by lot, so that no
/// file has it inside.
fn several(parts: &[Part], kind: &str, file: &Opened) -> (String, Vec<Piece>) {
    let lot = || RandomState::new().hash_one(&file.tag);
    let boundary = format!("{:016x}{:016x}", lot(), lot());
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for part in parts {
        let said = part.said(file.len);
        let words =
            format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {said}\r\n\r\n");
        pieces.extend([Piece::Words(Bytes::from(words)), piece(*part)]);
    }
    pieces.push(Piece::Words(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    (boundary, pieces)
}

fn piece(part: Part) -> Piece {
    Piece::Part { at: part.at, len: part.len }
}

/// Texts of ours, which are valid values.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
