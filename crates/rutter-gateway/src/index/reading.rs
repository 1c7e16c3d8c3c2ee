//! Paths that are read in two ways.
//!
//! Prefixes are compared with a path's bytes as they came, but what a server makes of `/%61dmin`,
//! `//admin`, `/x/../admin`, `/x;y/../admin` or `\admin` is its own affair: most of them read `/admin`. Where
//! that is another service's, which perhaps asks for a certificate or is refused, whoever writes the
//! path in such a way would come to it by the service that has the rest of the host. So a path
//! whose plainest reading leads elsewhere than its bytes is nobody's.

/// The path as the most lenient server reads it; `None`: there is only one way to read it.
pub(super) fn plainest(path: &str) -> Option<String> {
    let is_plain = |byte: &u8| !b"%\\;".contains(byte);
    if path.bytes().all(|byte| is_plain(&byte)) && !path.contains("//") && !path.contains("/.") {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        // What follows are parameters of the segment (RFC 3986 3.3), which some servers take away.
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            plain => segments.push(plain),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lenient_server_reads() {
        let cases = [
            ("/", None),
            ("/api/users", None),
            ("/api/", None),
            ("*", None),
            ("/%61dmin", Some("/admin")),
            ("//admin//x", Some("/admin/x")),
            ("/./admin", Some("/admin")),
            ("/x/../admin", Some("/admin")),
            ("/x/%2e%2E/admin", Some("/admin")),
            ("/x%2f..%2fadmin", Some("/admin")),
            ("/x;a=b/../admin;c", Some("/admin")),
            ("/x\\..\\admin", Some("/admin")),
            ("/../../admin", Some("/admin")),
            ("/a/..", Some("/")),
            ("/.well-known/x", Some("/.well-known/x")),
            ("/%ff", Some("/\u{fffd}")),
        ];
        for (path, want) in cases {
            assert_eq!(plainest(path).as_deref(), want, "{path}");
        }
    }
}
