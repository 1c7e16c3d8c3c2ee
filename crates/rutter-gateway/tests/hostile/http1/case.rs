//! What a case is.

/// Bytes, and what must become of them.
#[derive(Debug)]
pub(crate) struct Case {
    /// The class of attack.
    pub(crate) class: &'static str,
    /// Where it is ruled: of RFC 9112 unless another is named.
    pub(crate) section: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) want: Want,
}

/// What must become of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// One answer of one of these statuses, then the end. No origin sees anything.
    Refused(&'static [u16]),
    /// The end, with or without such an answer. No origin sees anything.
    Dropped,
    /// Its body breaks while it is on its way: an origin sees at most the beginning of a request,
    /// which no reader takes for a whole one, and nothing behind it.
    Broken,
    /// The origin gets this request, and nothing behind it: the connection ends.
    Last(Seen),
    /// The origin gets this request, and then the one behind it.
    Kept(Seen),
}

/// A request as an origin sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

/// The service that cases are about. Of the same length as those that the runner puts in its place
/// for each case, so that lengths stay true.
pub(crate) const HOST: &str = "alice.nsl.sh";

/// One that some cases try to reach behind the gateway's back; its origin must stay silent.
pub(crate) const OTHER: &str = "other.nsl.sh";

pub(crate) const BAD: Want = Want::Refused(&[400]);

pub(crate) fn seen(method: &str, target: &str, body: &str) -> Seen {
    Seen { method: method.into(), target: target.into(), body: body.into() }
}

/// `POST /x` with this body reaches the origin, and the connection goes on.
pub(crate) fn kept(body: &str) -> Want {
    Want::Kept(seen("POST", "/x", body))
}

/// `POST /x` with this body reaches the origin, and the connection ends.
pub(crate) fn last(body: &str) -> Want {
    Want::Last(seen("POST", "/x", body))
}

/// `GET /x` reaches the origin, and the connection goes on.
pub(crate) fn got() -> Want {
    Want::Kept(seen("GET", "/x", ""))
}

/// A `POST` with these lines, each with its end, and this body.
pub(crate) fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n", lines.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// A `GET` with these lines, each with its end.
pub(crate) fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n", lines.as_ref(), b"\r\n"].concat()
}

/// A request whose first line is this one.
pub(crate) fn first(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: alice.nsl.sh\r\n\r\n"].concat()
}

/// A `POST` whose body is announced as chunks and is this.
pub(crate) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// Gathers cases class by class.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Case>);

impl Table {
    pub(crate) fn class(
        &mut self,
        class: &'static str,
        section: &'static str,
        cases: impl IntoIterator<Item = (Vec<u8>, Want)>,
    ) -> &mut Self {
        let cases = cases.into_iter();
        self.0.extend(cases.map(|(bytes, want)| Case { class, section, bytes, want }));
        self
    }

    pub(crate) fn take(&mut self) -> Vec<Case> {
        std::mem::take(&mut self.0)
    }
}
