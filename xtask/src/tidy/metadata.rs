//! What `cargo metadata` says, as far as the checks ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

/// The workspace's crates and who depends on whom.
pub(crate) struct Metadata {
    members: Vec<Member>,
    /// By package id: what it is linked with, tests and build scripts aside.
    links: BTreeMap<String, Vec<String>>,
    /// By package id, of all packages.
    names: BTreeMap<String, String>,
}

/// A crate of the workspace.
pub(super) struct Member {
    pub(super) name: String,
    /// From the workspace's root.
    pub(super) folder: String,
    /// As the sources call them, of every kind.
    pub(super) dependencies: Vec<String>,
    /// Those that are there for their features alone.
    pub(super) kept: Vec<String>,
}

impl Member {
    pub(super) fn is_kept(&self, dependency: &str) -> bool {
        self.kept.iter().any(|kept| kept == dependency)
    }
}

impl Metadata {
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The names of the workspace's crates.
    pub(crate) fn workspace_crates(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// All that is linked into a crate of the workspace, with the chain that leads there.
    pub(super) fn linked_into(&self, krate: &str) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        let start = self.names.iter().find(|(_, name)| *name == krate).map(|(id, _)| id);
        let mut queue: Vec<(&String, Vec<String>)> =
            start.into_iter().map(|id| (id, vec![krate.to_owned()])).collect();
        let mut seen = BTreeSet::new();
        while let Some((id, chain)) = queue.pop() {
            for next in self.links.get(id).into_iter().flatten() {
                let Some(name) = self.names.get(next).filter(|_| seen.insert(next)) else {
                    continue;
                };
                let chain: Vec<String> = chain.iter().chain([name]).cloned().collect();
                found.insert(name.clone(), chain.clone());
                queue.push((next, chain));
            }
        }
        found
    }

    #[cfg(test)]
    pub(super) fn of_members(members: Vec<Member>) -> Self {
        Self { members, links: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// A graph as the tests write it: who is linked with whom.
    #[cfg(test)]
    pub(super) fn of_links(members: Vec<Member>, links: &[(&str, &[&str])]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut names = BTreeMap::new();
        for name in links.iter().flat_map(|(from, to)| to.iter().chain([from])) {
            names.insert((*name).to_owned(), (*name).to_owned());
        }
        let links = links.iter().map(|(from, to)| ((*from).to_owned(), owned(to))).collect();
        Self { members, links, names }
    }
}

/// Asks cargo. Fails rather than mend a lock file.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    let mut command = shell::cargo(["metadata", "--format-version", "1", "--locked"]);
    let json = shell::output(command.current_dir(root))?;
    let wire: Wire = serde_json::from_str(&json).context("`cargo metadata` in another form")?;
    Ok(wire.into_metadata())
}

#[derive(Deserialize)]
struct Wire {
    packages: Vec<WirePackage>,
    workspace_members: BTreeSet<String>,
    workspace_root: String,
    resolve: WireResolve,
}

#[derive(Deserialize)]
struct WirePackage {
    id: String,
    name: String,
    manifest_path: String,
    dependencies: Vec<WireDependency>,
    #[serde(default)]
    metadata: Option<WireOwn>,
}

#[derive(Deserialize)]
struct WireDependency {
    name: String,
    rename: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireOwn {
    #[serde(default)]
    tidy: WireTidy,
}

#[derive(Deserialize, Default)]
struct WireTidy {
    #[serde(default)]
    kept: Vec<String>,
}

#[derive(Deserialize)]
struct WireResolve {
    nodes: Vec<WireNode>,
}

#[derive(Deserialize)]
struct WireNode {
    id: String,
    deps: Vec<WireEdge>,
}

#[derive(Deserialize)]
struct WireEdge {
    pkg: String,
    dep_kinds: Vec<WireKind>,
}

#[derive(Deserialize)]
struct WireKind {
    /// `None` for what is linked, else `dev` or `build`.
    kind: Option<String>,
}

impl Wire {
    fn into_metadata(self) -> Metadata {
        let is_linked = |edge: &WireEdge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let links_of = |node: WireNode| {
            let edges = node.deps.into_iter().filter(is_linked).map(|edge| edge.pkg);
            (node.id, edges.collect())
        };
        let links = self.resolve.nodes.into_iter().map(links_of).collect();
        let names = self.packages.iter().map(|p| (p.id.clone(), p.name.clone())).collect();
        let own = self.packages.into_iter().filter(|p| self.workspace_members.contains(&p.id));
        let root = Path::new(&self.workspace_root);
        let mut members: Vec<Member> = own.map(|package| member(package, root)).collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Metadata { members, links, names }
    }
}

fn member(package: WirePackage, root: &Path) -> Member {
    let folder = Path::new(&package.manifest_path).parent().unwrap_or(root);
    let folder = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
    let called = |d: WireDependency| d.rename.unwrap_or(d.name);
    let mut dependencies: Vec<String> = package.dependencies.into_iter().map(called).collect();
    dependencies.sort();
    dependencies.dedup();
    let kept = package.metadata.unwrap_or_default().tidy.kept;
    Member { name: package.name, folder, dependencies, kept }
}
