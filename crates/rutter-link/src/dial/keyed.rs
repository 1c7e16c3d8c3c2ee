//! Connections of a dialer that is known by its key, to an accepter that is known by its CA.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Connects, Remote};
use crate::accept::ByteStream;
use crate::{LinkError, LinkKey, tls};

pub(super) struct Keyed {
    address: String,
    server_name: ServerName<'static>,
    tls: TlsConnector,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Keyed {
    /// See [`super::Dialer::new`].
    pub(super) fn new(remote: &Remote, key: &LinkKey) -> Result<Self, LinkError> {
        let wrong = || LinkError::Tls(format!("`{}` isn't `HOST:PORT`", remote.address));
        let (host, port) = remote.address.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
        let tls = TlsConnector::from(Arc::new(tls::client_config(remote.pin, key)?));
        Ok(Self { address: remote.address.clone(), server_name, tls })
    }
}

#[async_trait]
impl Connects for Keyed {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(self.tls.connect(self.server_name.clone(), stream).await?))
    }
}
