//! A folder's files as answers.
//!
//! ```text
//! request ─▶ path ─▶ open, beneath the folder ─▶ conditions ─▶ range ─▶ body, chunk by chunk
//!            │ 404   │ 404, index, listing       │ 304, 412     │ 416
//! ```
//!
//! **What holds.**
//! - Nothing outside the folder is opened, whatever a path or a link says: the kernel resolves every
//!   name beneath the folder ([`open`]). Nothing but plain files is read.
//! - Nothing inside is hidden: what a folder holds is served, names that begin with a dot too. Who
//!   serves a folder says so.
//! - No worker waits for a disk: all that touches one runs on threads for that ([`reads`]), so many
//!   at once and no more, and a body holds one chunk at a time.
//!
//! What a request gets is decided by RFC 9110: conditions before ranges (13.2.2), ranges that make no
//! sense are ignored, ranges that lie outside are 416. Whatever goes wrong tells a client no more
//! than 404, and the log all of it.

pub(crate) mod body;
mod conditions;
mod listing;
mod open;
mod path;
mod range;
pub(crate) mod reads;
mod reply;
#[cfg(test)]
mod tests;

use std::io;

use http::header::{ACCEPT, ALLOW, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use rutter_route::{FileOptions, Folder};

use crate::proxy::headers::Head;
use crate::proxy::pages::{self, Page};
use crate::upstream::body::AnswerBody;

use open::{Found, Look};
use reads::Reads;

/// Answers a request by what a folder holds; `target` as the folder knows it.
///
/// # Errors
/// The folder isn't there or can't be opened.
pub(crate) async fn serve(
    folder: &Folder,
    options: &FileOptions,
    head: &Head,
    target: &Uri,
    reads: &Reads,
) -> io::Result<Response<AnswerBody>> {
    let accept = head.headers.get(ACCEPT);
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut answer = pages::FILE_METHOD.answer(accept);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(answer);
    }
    let missing = |page: Page| Ok(page.answer(accept));
    let Some(wanted) = path::parse(target.path()) else { return missing(pages::NO_SUCH_FILE) };
    let shown = path::shown(target.path());
    let look = Look { options: options.clone(), eager: wants_whole(&head.method, &head.headers) };
    let root = folder.clone();
    let found = reads.run(move || open::look_up(&root, &wanted, &look)).await?;
    match found {
        Found::Missing => missing(pages::NO_SUCH_FILE),
        Found::Folder { entries, cut } => {
            Ok(listing::answer(&shown, entries, cut, accept, &head.method))
        }
        Found::NoSlash => Ok(with_slash(target.path(), target.query())),
        Found::File(file) => Ok(reply::answer(file, head, reads)),
        Found::Failed(error) => {
            tracing::warn!(folder = %folder, path = shown, %error, "a file isn't served");
            Ok(pages::FILE_FAILED.answer(accept))
        }
    }
}

/// Whether all of the file will be wanted, so that a small one is read in one go.
fn wants_whole(method: &Method, headers: &HeaderMap) -> bool {
    let asks_less = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE];
    *method == Method::GET && !asks_less.iter().any(|name| headers.contains_key(name))
}

/// Sends a client that asks for a folder as for a file to where the names in it are relative to it.
/// Told from where it stands: what stands before the last segment may be another place to it.
fn with_slash(path: &str, query: Option<&str>) -> Response<AnswerBody> {
    let last = path.rsplit('/').next().unwrap_or_default();
    // With `./`, a name with a colon is no scheme.
    let to = match query {
        Some(query) => format!("./{last}/?{query}"),
        None => format!("./{last}/"),
    };
    let mut answer = Response::new(AnswerBody::Own(Default::default()));
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(to) = HeaderValue::from_str(&to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer
}
