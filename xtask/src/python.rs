//! Python packages that tests compare with.
//!
//! They come from PyPI into a virtual environment under the target directory, made once: what the
//! machine's own Python has is left alone.

use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::{DebianTool, ensure_debian};
use crate::shell;

/// The independent client and server of the overlay's wire.
const GRPCIO: &str = "grpcio==1.85.3";

/// Makes the environment `target/grpcio` unless it is there and whole.
pub(crate) fn ensure_grpcio() -> Result<()> {
    let folder = shell::root()?.join("target/grpcio");
    // Written last, so that an interrupted installation is begun again.
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|version| version == GRPCIO) {
        return Ok(());
    }
    ensure_debian(&[DebianTool { program: "python3", package: "python3-venv" }], "grpcio")?;
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", GRPCIO]);
    shell::run(&mut install)?;
    std::fs::write(&done, GRPCIO).with_context(|| format!("writing {}", done.display()))
}
