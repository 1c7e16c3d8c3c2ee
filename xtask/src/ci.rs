//! `cargo xtask ci`: the one gate. Every step runs, also after one failed, so that one run names
//! all that is wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{shell, test, tidy, tools};

type Step = (&'static str, fn(&Path) -> Result<()>);

/// Cheap steps first: whoever looks on sees soon what is wrong.
const STEPS: [Step; 7] = [
    ("format", format),
    ("tidy", |_| tidy::run()),
    ("dependencies", dependencies),
    ("lints", lints),
    (TESTS, |_| test::run(&[])),
    ("docs", docs),
    ("each crate alone", each_crate_alone),
];

const TESTS: &str = "tests";

/// Runs the steps; `skip_tests` where `cargo xtask test` has just been run.
pub(crate) fn run(skip_tests: bool) -> Result<()> {
    let root = shell::root()?;
    let mut results = Vec::new();
    for (name, step) in STEPS {
        if skip_tests && name == TESTS {
            continue;
        }
        eprintln!("\n==> {name}");
        let begun = Instant::now();
        let result = step(&root);
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        results.push((name, begun.elapsed(), result.is_ok()));
    }
    summarize(&results)
}

fn summarize(results: &[(&str, Duration, bool)]) -> Result<()> {
    eprintln!();
    for (name, took, ok) in results {
        let verdict = if *ok { "ok" } else { "FAILED" };
        eprintln!("{name:<18} {verdict:<7} {:>5} s", took.as_secs());
    }
    let failed: Vec<&str> = results.iter().filter(|(.., ok)| !ok).map(|(name, ..)| *name).collect();
    if !failed.is_empty() {
        bail!("{} of {} steps failed: {}", failed.len(), results.len(), failed.join(", "));
    }
    Ok(())
}

fn format(root: &Path) -> Result<()> {
    shell::run(shell::cargo(["fmt", "--all", "--check"]).current_dir(root))
}

fn lints(root: &Path) -> Result<()> {
    let mut clippy =
        shell::cargo(["clippy", "--workspace", "--all-targets", "--keep-going", "--locked"]);
    shell::run(clippy.args(["--", "-D", "warnings"]).current_dir(root))
}

/// Private items too: the essays at the heads of modules are for developers, and their links must
/// lead somewhere. So links from public to private items are right; nothing is published without.
fn docs(root: &Path) -> Result<()> {
    let mut doc = shell::cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    doc.arg("--keep-going").current_dir(root);
    let flags = "-D warnings -A rustdoc::private_intra_doc_links";
    shell::run(doc.env("RUSTDOCFLAGS", flags))
}

/// Advisories are left out: they need a database fetched from elsewhere at each run, so that an
/// old commit would fail by what is found out later.
fn dependencies(root: &Path) -> Result<()> {
    tools::DENY.ensure()?;
    let mut deny = shell::cargo(["deny", "--workspace", "check", "--hide-inclusion-graph"]);
    shell::run(deny.args(["licenses", "bans", "sources"]).current_dir(root))
}

/// In a build of the whole workspace a crate gets the features that others ask for; alone it shows
/// that it names all that it uses.
fn each_crate_alone(root: &Path) -> Result<()> {
    for krate in tidy::metadata(root)?.workspace_crates() {
        shell::run(shell::cargo(["check", "--quiet", "--package", krate]).current_dir(root))?;
    }
    Ok(())
}
