//! One route among many is edited: how long until it is served by its new words.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::origins::{Asking, Origins};
use super::scene::{Scene, host};
use crate::bench::process::PATIENCE;

/// How long each edit took.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// From the close of the file, written in its place.
    pub(super) by_close: Vec<Duration>,
    /// From the rename of a new file over it.
    pub(super) by_rename: Vec<Duration>,
}

impl Edits {
    pub(super) fn measure(
        scene: &Scene,
        origins: &Origins,
        folder: &Path,
        http: SocketAddr,
        edits: usize,
    ) -> Result<Self> {
        let mut seen = Self::default();
        let mut asking = Asking::connect(http)?;
        for edit in 0..edits {
            // Files far from each other, and routes within them.
            let (file, route) = (edit * 7919 % scene.files, edit * 31 % scene.routes);
            let by_rename = edit % 2 == 1;
            let took = one(scene, origins, folder, &mut asking, (file, route), by_rename)?;
            match by_rename {
                true => seen.by_rename.push(took),
                false => seen.by_close.push(took),
            }
        }
        Ok(seen)
    }
}

fn one(
    scene: &Scene,
    origins: &Origins,
    folder: &Path,
    asking: &mut Asking,
    (file, route): (usize, usize),
    by_rename: bool,
) -> Result<Duration> {
    let host = host(file, route);
    ensure!(asking.ask(&host)? == "a", "{host} is served by the wrong origin before its edit");
    let to = |n| if n == route { origins.after() } else { origins.before() };
    let (path, text) = (scene.file(folder, file), scene.text(file, to));
    let begun = match by_rename {
        true => {
            let new = folder.join("config").join(".new");
            fs::write(&new, text)?;
            let begun = Instant::now();
            fs::rename(new, &path)?;
            begun
        }
        false => {
            let mut open = fs::File::create(&path)?;
            open.write_all(text.as_bytes())?;
            let begun = Instant::now();
            drop(open);
            begun
        }
    };
    while asking.ask(&host)? != "b" {
        ensure!(begun.elapsed() < PATIENCE, "the edit of {host} is not served");
    }
    let took = begun.elapsed();
    // As it was, for whoever edits this file next.
    fs::write(&path, scene.text(file, |_| origins.before()))?;
    let again = Instant::now();
    while asking.ask(&host)? != "a" {
        ensure!(again.elapsed() < PATIENCE, "the edit of {host} is not taken back");
    }
    Ok(took)
}
