//! What the gateway's ACME needs of the program: its settings, and the data directory.

use std::io;
use std::sync::Arc;

use rutter_gateway::{AcmeConfig, AcmeStore};
use rutter_registry::DataDir;

use super::gateway::roots;
use crate::config::resolved;

/// Keeps account and certificate in the data directory, mode 0600.
#[derive(Debug)]
struct InDataDir(Arc<DataDir>);

impl AcmeStore for InDataDir {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        rutter_registry::read_private(&self.0.file(name)).map_err(io::Error::other)
    }

    fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        self.0.write_private(name, contents).map_err(io::Error::other)
    }
}

pub(super) fn config(acme: &resolved::Acme, dir: &Arc<DataDir>) -> anyhow::Result<AcmeConfig> {
    Ok(AcmeConfig {
        directory: acme.directory.clone(),
        contact: acme.contact.clone(),
        names: acme.names.clone(),
        challenge: acme.challenge,
        roots: roots(acme.roots.as_deref(), "gateway.acme.roots")?,
        store: Arc::new(InDataDir(dir.clone())),
    })
}
