//! A folder of GoDoxy's, of any size.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) files: usize,
    pub(super) routes: usize,
    pub(super) containers: usize,
}

impl Scene {
    /// Writes `config.yml`, the files that it names and the environment. All routes lead to one
    /// origin.
    pub(super) fn write(
        &self,
        folder: &Path,
        http: SocketAddr,
        origin: SocketAddr,
        engine: &Path,
    ) -> Result<()> {
        let config = folder.join("config");
        fs::create_dir_all(&config)?;
        let mut text = String::from("defaults:\n  healthcheck:\n    disable: true\nproviders:\n");
        writeln!(text, "  docker:\n    local: unix://{}\n  include:", engine.display())?;
        for file in 0..self.files {
            writeln!(text, "    - {}", name(file))?;
            fs::write(self.file(folder, file), self.text(file, |_| origin))?;
        }
        fs::write(config.join("config.yml"), text)?;
        let environment = format!("GODOXY_HTTP_ADDR={http}\nGODOXY_HTTPS_ADDR=\n");
        Ok(fs::write(folder.join(".env"), environment)?)
    }

    /// Where a file lies.
    pub(super) fn file(&self, folder: &Path, file: usize) -> PathBuf {
        folder.join("config").join(name(file))
    }

    /// A file's text; `to` says where each of its routes leads.
    pub(super) fn text(&self, file: usize, to: impl Fn(usize) -> SocketAddr) -> String {
        let mut text = String::new();
        for route in 0..self.routes {
            let to = to(route);
            // It never fails on a string.
            let _: std::fmt::Result = write!(
                text,
                "{}:\n  host: {}\n  port: {}\n  homepage:\n    name: Route {route}\n",
                alias(file, route),
                to.ip(),
                to.port()
            );
        }
        text
    }

    /// Of each file the last host, and that of the last container.
    pub(super) fn last_hosts(&self) -> Vec<String> {
        let of_files = (0..self.files).map(|file| host(file, self.routes - 1));
        let of_engine = self.containers.checked_sub(1).map(|last| format!("c{last}.bench.test"));
        of_files.chain(of_engine).collect()
    }
}

/// The host of a route.
pub(super) fn host(file: usize, route: usize) -> String {
    format!("{}.bench.test", alias(file, route))
}

fn alias(file: usize, route: usize) -> String {
    format!("app-{file}-{route}")
}

fn name(file: usize) -> String {
    format!("f{file:04}.yml")
}
