//! Shapes of networks: which clusters have a link.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

/// A shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Topology {
    /// One after another.
    Line(usize),
    /// A line whose ends meet.
    Ring(usize),
    /// Everybody with everybody.
    Mesh(usize),
    /// All with the first.
    Star(usize),
    /// Connected, with about so many links a cluster: a ring and chords by chance.
    Random {
        /// How many clusters.
        clusters: usize,
        /// Links a cluster, on average; at least 2.
        degree: usize,
    },
    /// Each link by its ends' names.
    Links(Vec<(ClusterId, ClusterId)>),
}

impl Default for Topology {
    fn default() -> Self {
        Self::Line(2)
    }
}

impl Topology {
    /// The clusters' names, in order, and links as pairs of places in that order, the lesser first;
    /// no link stands twice.
    pub fn build(&self, seed: u64) -> (Vec<ClusterId>, Vec<(usize, usize)>) {
        let (names, mut links) = match self {
            Self::Line(n) => (numbered(*n), line(*n)),
            Self::Ring(n) => (numbered(*n), ring(*n)),
            Self::Mesh(n) => (numbered(*n), mesh(*n)),
            Self::Star(n) => (numbered(*n), (1..*n).map(|leaf| (0, leaf)).collect()),
            Self::Random { clusters, degree } => {
                (numbered(*clusters), random(*clusters, *degree, seed))
            }
            Self::Links(pairs) => named(pairs),
        };
        for link in &mut links {
            *link = (link.0.min(link.1), link.0.max(link.1));
        }
        links.retain(|(a, b)| a != b);
        links.sort_unstable();
        links.dedup();
        (names, links)
    }
}

/// The name of a numbered cluster: `c00`, `c01`, ...
pub fn name(number: usize) -> Option<ClusterId> {
    format!("c{number:02}").parse().ok()
}

fn numbered(n: usize) -> Vec<ClusterId> {
    (0..n).filter_map(name).collect()
}

fn line(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|next| (next - 1, next)).collect()
}

fn ring(n: usize) -> Vec<(usize, usize)> {
    let mut links = line(n);
    if n > 2 {
        links.push((0, n - 1));
    }
    links
}

fn mesh(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect()
}

fn random(n: usize, degree: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x746f_706f);
    let mut links = ring(n);
    let wanted = n.saturating_mul(degree.max(2)) / 2;
    // A small network can't have as many: the tries are bounded.
    for _ in 0..wanted * 20 {
        if links.len() >= wanted || n < 4 {
            break;
        }
        let (a, b) = (rng.random_range(0..n), rng.random_range(0..n));
        let link = (a.min(b), a.max(b));
        if a != b && !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

fn named(pairs: &[(ClusterId, ClusterId)]) -> (Vec<ClusterId>, Vec<(usize, usize)>) {
    let mut names: Vec<ClusterId> =
        pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    names.sort();
    names.dedup();
    let place = |name: &ClusterId| names.binary_search(name).unwrap_or_default();
    let links = pairs.iter().map(|(a, b)| (place(a), place(b))).collect();
    (names, links)
}

/// One of a slice by chance; `None` of an empty one.
pub(crate) fn pick<'a, T>(rng: &mut impl Rng, of: &'a [T]) -> Option<&'a T> {
    if of.is_empty() {
        return None;
    }
    of.get(rng.random_range(0..of.len()))
}

#[cfg(test)]
mod tests {
    use super::Topology;
    use std::collections::BTreeSet;

    #[test]
    fn shapes_have_the_links_that_their_names_say() {
        let n = |t: Topology| t.build(7).1.len();
        assert_eq!(n(Topology::Line(5)), 4);
        assert_eq!(n(Topology::Ring(5)), 5);
        assert_eq!(n(Topology::Ring(2)), 1);
        assert_eq!(n(Topology::Mesh(6)), 15);
        assert_eq!(n(Topology::Star(6)), 5);
        assert_eq!(n(Topology::Random { clusters: 100, degree: 6 }), 300);
    }

    #[test]
    fn a_random_graph_is_connected_and_the_same_for_a_seed() {
        let shape = Topology::Random { clusters: 50, degree: 3 };
        let (names, links) = shape.build(1);
        assert_eq!(shape.build(1).1, links);
        assert_ne!(shape.build(2).1, links);
        let mut seen = BTreeSet::from([0]);
        while let Some((a, b)) =
            links.iter().find(|(a, b)| seen.contains(a) != seen.contains(b)).copied()
        {
            seen.extend([a, b]);
        }
        assert_eq!(seen.len(), names.len());
    }
}
