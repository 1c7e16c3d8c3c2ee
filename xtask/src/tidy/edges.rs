//! Who may depend on whom.
//!
//! Edges point down only, and this table is the whole of them: a new crate or a new edge is a
//! decision, made here and seen in review. It holds for tests too, so no test of a lower crate
//! leans on an upper one.

use super::{Metadata, Problem};

/// Each crate of the workspace with those of the workspace that it may depend on.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("rutter-route", &[]),
    ("rutter-yaml", &[]),
    ("rutter-rib", &["rutter-route"]),
    ("rutter-protocol", &["rutter-rib", "rutter-route"]),
    ("rutter-book", &["rutter-rib", "rutter-route"]),
    ("rutter-sim", &["rutter-protocol", "rutter-rib", "rutter-route", "rutter-yaml"]),
    ("rutter-registry", &["rutter-route"]),
    ("rutter-kernel", &["rutter-book", "rutter-rib", "rutter-route"]),
    ("rutter-link", &["rutter-book", "rutter-rib", "rutter-route"]),
    (
        "rutter-fabric",
        &["rutter-book", "rutter-link", "rutter-protocol", "rutter-rib", "rutter-route"],
    ),
    ("rutter-agent", &["rutter-kernel", "rutter-link", "rutter-route"]),
    (
        "rutter-nodes",
        &[
            "rutter-book",
            "rutter-link",
            "rutter-registry",
            "rutter-rib",
            "rutter-route",
            "rutter-yaml",
        ],
    ),
    (
        "rutter-overlay",
        &["rutter-book", "rutter-link", "rutter-rib", "rutter-route", "rutter-yaml"],
    ),
    ("rutter-providers", &["rutter-book", "rutter-rib", "rutter-route", "rutter-yaml"]),
    ("rutter-gateway", &["rutter-book", "rutter-link", "rutter-rib", "rutter-route"]),
    ("rutter-controller", &["rutter-book", "rutter-registry", "rutter-rib", "rutter-route"]),
    (
        "rutter-api",
        &[
            "rutter-book",
            "rutter-controller",
            "rutter-fabric",
            "rutter-nodes",
            "rutter-protocol",
            "rutter-providers",
            "rutter-registry",
            "rutter-rib",
            "rutter-route",
        ],
    ),
    (
        "rutter",
        &[
            "rutter-agent",
            "rutter-api",
            "rutter-book",
            "rutter-controller",
            "rutter-fabric",
            "rutter-gateway",
            "rutter-kernel",
            "rutter-link",
            "rutter-nodes",
            "rutter-overlay",
            "rutter-protocol",
            "rutter-providers",
            "rutter-registry",
            "rutter-rib",
            "rutter-route",
            "rutter-sim",
            "rutter-yaml",
        ],
    ),
    (
        "xtask",
        &[
            "rutter-book",
            "rutter-gateway",
            "rutter-kernel",
            "rutter-fabric",
            "rutter-link",
            "rutter-protocol",
            "rutter-rib",
            "rutter-route",
            "rutter-sim",
        ],
    ),
];

/// The core: no I/O, no clock, no async, no chance.
const CORE: [&str; 3] = ["rutter-route", "rutter-rib", "rutter-protocol"];

/// What is never linked into the core, at any depth.
const NOT_IN_CORE: [&str; 20] = [
    "async-io",
    "async-std",
    "crossbeam-channel",
    "fastrand",
    "futures-executor",
    "getrandom",
    "hyper",
    "mio",
    "nix",
    "polling",
    "quinn",
    "rand",
    "rand_core",
    "rayon",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
];

pub(super) fn check(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = undeclared(metadata);
    problems.extend(upward(metadata));
    problems.extend(core_links(metadata));
    problems
}

fn undeclared(metadata: &Metadata) -> Vec<Problem> {
    let known = |name: &str| ALLOWED.iter().any(|(krate, _)| *krate == name);
    let unknown = metadata.members().iter().filter(|krate| !known(&krate.name));
    let what = "is not in the table of allowed edges, xtask/src/tidy/edges.rs";
    unknown.map(|krate| Problem::new(&krate.name, what)).collect()
}

fn upward(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    for krate in metadata.members() {
        let row = ALLOWED.iter().find(|(name, _)| *name == krate.name);
        let allowed = row.map_or(&[][..], |(_, allowed)| allowed);
        for dependency in &krate.dependencies {
            let ours = metadata.members().iter().any(|member| member.name == *dependency);
            if ours && !allowed.contains(&dependency.as_str()) {
                let what = format!("may not depend on `{dependency}`: edges point down only");
                problems.push(Problem::new(&krate.name, what));
            }
        }
    }
    problems
}

fn core_links(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    for krate in CORE {
        let mut linked = metadata.linked_into(krate);
        linked.retain(|name, _| NOT_IN_CORE.contains(&name.as_str()));
        for chain in linked.values() {
            let what =
                format!("the core links what does I/O or draws lots: {}", chain.join(" -> "));
            problems.push(Problem::new(krate, what));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell;
    use crate::tidy::metadata::{Member, metadata};
    use crate::tidy::shown;

    fn member(name: &str, dependencies: &[&str]) -> Member {
        Member {
            name: name.into(),
            folder: name.into(),
            dependencies: dependencies.iter().map(|d| (*d).to_owned()).collect(),
            kept: Vec::new(),
        }
    }

    #[test]
    fn edges_up_or_across_and_unknown_crates_are_problems() {
        let metadata = Metadata::of_members(vec![
            member("rutter-route", &["serde"]),
            member("rutter-rib", &["rutter-route", "rutter-book"]),
            member("rutter-book", &["rutter-rib", "rutter-route", "tokio"]),
            member("rutter-agent", &["rutter-registry"]),
            member("rutter-registry", &["rutter-route"]),
            member("rutter-new", &[]),
        ]);
        let expected = [
            "rutter-new: is not in the table of allowed edges, xtask/src/tidy/edges.rs",
            "rutter-rib: may not depend on `rutter-book`: edges point down only",
            "rutter-agent: may not depend on `rutter-registry`: edges point down only",
        ];
        assert_eq!(shown(&check(&metadata)), expected);
    }

    #[test]
    fn the_table_itself_points_down() {
        for (at, (krate, allowed)) in ALLOWED.iter().enumerate() {
            for dependency in *allowed {
                let below = ALLOWED[..at].iter().any(|(name, _)| name == dependency);
                assert!(below, "{krate} may use {dependency}, which stands above it");
            }
        }
    }

    #[test]
    fn the_core_is_searched_at_any_depth() {
        let links: [(&str, &[&str]); 3] = [
            ("rutter-rib", &["rutter-route", "hashing"]),
            ("hashing", &["getrandom"]),
            ("rutter-book", &["tokio"]),
        ];
        let metadata = Metadata::of_links(Vec::new(), &links);
        let chain = "rutter-rib -> hashing -> getrandom";
        let expected = [format!("rutter-rib: the core links what does I/O or draws lots: {chain}")];
        assert_eq!(shown(&check(&metadata)), expected);
    }

    /// The rule itself, held by every run of the tests and not by `tidy` alone.
    #[test]
    fn the_workspace_keeps_to_the_edges() -> anyhow::Result<()> {
        let metadata = metadata(&shell::root()?)?;
        assert!(metadata.linked_into("rutter-rib").contains_key("rutter-route"));
        assert!(metadata.linked_into("rutter-book").contains_key("tokio"));
        assert_eq!(shown(&check(&metadata)), Vec::<String>::new());
        Ok(())
    }
}
