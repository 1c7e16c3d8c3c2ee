//! Services that have paths of a name to themselves.
//!
//! Of several prefixes that cover a path the longest is asked, and the bytes of the path are
//! compared as they came ([`rutter_route::PathPrefix`] says why). They stand in order of their
//! text, so whoever looks for a path looks for its place in that order: what stands just before it
//! either covers it, and is the longest that does, or shares less with it than the path has, and
//! the search goes on for what they share. So a look-up takes a binary search for each level at
//! which prefixes part, however many there are.

use std::sync::Arc;

use super::reading::plainest;
use crate::routes::Routes;

/// The services with paths of their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrower {
    /// One a prefix, in order of the prefixes' text.
    all: Vec<Arc<Routes>>,
    /// How many of the prefixes may be read in two ways themselves, such as `/caf%C3%A9`.
    n_odd: usize,
}

impl Narrower {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Routes>> {
        self.all.iter()
    }

    /// The one of that number.
    pub(super) fn get(&self, number: usize) -> Option<&Arc<Routes>> {
        self.all.get(number)
    }

    /// Puts one in, instead of the one of that prefix.
    pub(super) fn set(&mut self, prefix: &str, routes: Option<Arc<Routes>>) {
        let is_odd = usize::from(plainest(prefix).is_some());
        match (self.place(prefix), routes) {
            (Ok(at), Some(routes)) => {
                if let Some(place) = self.all.get_mut(at) {
                    *place = routes;
                }
            }
            (Err(at), Some(routes)) => {
                self.all.insert(at, routes);
                self.n_odd += is_odd;
            }
            (Ok(at), None) => {
                self.all.remove(at);
                self.n_odd -= is_odd;
            }
            (Err(_), None) => {}
        }
    }

    /// Whether a lenient server would read a path as that of another service than `found`, the one
    /// that has it by its bytes.
    pub(super) fn is_read_as_anothers(&self, path: &str, found: Option<usize>) -> bool {
        let Some(read) = plainest(path) else { return false };
        if self.n_odd == 0 {
            return self.find(&read) != found;
        }
        let reads = |(number, routes): (usize, &Arc<Routes>)| {
            let prefix = prefix_of(routes);
            let prefix = plainest(prefix).unwrap_or_else(|| prefix.to_owned());
            let rest = read.strip_prefix(prefix.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some((prefix.len(), number))
        };
        let longest = self.all.iter().enumerate().filter_map(reads).max();
        longest.map(|(_, number)| number) != found
    }

    /// The number of the one with the longest prefix that covers a path.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let mut wanted = path;
        loop {
            let at = match self.place(wanted) {
                Ok(at) => at,
                Err(after) => after.checked_sub(1)?,
            };
            let before = self.all.get(at)?;
            if before.service.paths().is_some_and(|prefix| prefix.covers(path)) {
                return Some(at);
            }
            wanted = shared(prefix_of(before), wanted, path)?;
        }
    }

    fn place(&self, prefix: &str) -> Result<usize, usize> {
        self.all.binary_search_by(|routes| prefix_of(routes).cmp(prefix))
    }
}

/// The text of a service's prefix.
fn prefix_of(routes: &Routes) -> &str {
    routes.service.paths().map_or("", |prefix| prefix.as_str())
}

/// The longest beginning of both at which a segment of `path` ends, and which is shorter than one
/// of the two; `wanted` is a beginning of `path`. `None`: nothing can cover the path any more.
fn shared<'p>(other: &str, wanted: &'p str, path: &str) -> Option<&'p str> {
    let n = other.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let ends_there = path.as_bytes().get(n).is_none_or(|byte| *byte == b'/');
    if ends_there && n > 1 && n < other.len() {
        // Both agree up to there, and what they agree on is ASCII as all prefixes are.
        return wanted.get(..n);
    }
    let agreed = wanted.get(..n)?;
    match agreed.rfind('/') {
        // The whole is a prefix of its own, `/`, which only stands by itself.
        Some(0) if wanted.len() > 1 => Some("/"),
        Some(0) | None => None,
        Some(end) => agreed.get(..end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rutter_route::{Listener, PathPrefix, Scope, Service};

    use super::*;

    fn service(prefix: &PathPrefix) -> Service {
        let scope = Scope { paths: Some(prefix.clone()), ..Scope::default() };
        Service::new("app".parse().unwrap(), Listener::Http, scope)
    }

    fn narrower(prefixes: &[PathPrefix]) -> Narrower {
        let mut all = Narrower::default();
        for prefix in prefixes {
            all.set(prefix.as_str(), Some(Arc::new(Routes::new(service(prefix), Vec::new()))));
        }
        all
    }

    fn found(all: &Narrower, path: &str) -> Option<String> {
        let at = all.find(path)?;
        all.get(at).map(|routes| prefix_of(routes).to_owned())
    }

    #[test]
    fn the_longest_prefix_that_covers_a_path_is_found() {
        let prefixes = ["/api", "/api/v1", "/api-old", "/a/b/c", "/a", "/z/", "/a/b-z", "/a/b"];
        let prefixes = prefixes.map(|p| p.parse().unwrap());
        let mut all = narrower(&prefixes);
        let cases = [
            ("/api", Some("/api")),
            ("/api/", Some("/api")),
            ("/api/v1", Some("/api/v1")),
            ("/api/v1/x", Some("/api/v1")),
            ("/api/v10", Some("/api")),
            ("/apiary", None),
            ("/api-old/x", Some("/api-old")),
            ("/a/z", Some("/a")),
            ("/a/b/x", Some("/a/b")),
            ("/a/b-zz", Some("/a")),
            ("/", None),
            ("*", None),
            ("/z", Some("/z")),
        ];
        for (path, want) in cases {
            assert_eq!(found(&all, path).as_deref(), want, "{path}");
        }
        all.set("/", Some(Arc::new(Routes::new("app/".parse().unwrap(), Vec::new()))));
        assert_eq!(found(&all, "/apiary").as_deref(), Some("/"));
        assert_eq!(found(&all, "*"), None);
        all.set("/a/b", None);
        assert_eq!(found(&all, "/a/b/x").as_deref(), Some("/a"));
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_asking_each_would_find(
            prefixes in proptest::collection::vec("(/[ab-]{1,2}){0,4}|/", 0..12),
            path in "(/[ab-]{0,3}){1,5}",
        ) {
            let prefixes: Vec<PathPrefix> =
                prefixes.iter().filter_map(|p| p.parse().ok()).collect();
            let all = narrower(&prefixes);
            let covering = prefixes.iter().filter(|prefix| prefix.covers(&path));
            let longest = covering.max_by_key(|prefix| prefix.as_str().len());
            prop_assert_eq!(found(&all, &path), longest.map(ToString::to_string));
        }
    }
}
