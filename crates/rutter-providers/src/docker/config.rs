//! Where an engine is, as configurations and the environment of Docker's tools say it.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rutter_route::HostName;

use super::DockerError;

/// Where Docker's engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// Where it listens for TCP, without TLS and with it.
const PORTS: (u16, u16) = (2375, 2376);

/// Where an engine is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket of this host.
    Unix(PathBuf),
    /// Plain HTTP.
    Http {
        /// Its host.
        host: HostName,
        /// Its port.
        port: u16,
    },
    /// HTTP over TLS, verified.
    Https {
        /// Its host, whose name its certificate must have.
        host: HostName,
        /// Its port.
        port: u16,
        /// The files.
        files: TlsFiles,
    },
}

/// The files of a TLS connection to an engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// The CA that its certificate is of; `None`: one that this system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Files as they are written one by one.
    ///
    /// # Errors
    /// A certificate without its key, or the other way.
    pub fn new(
        ca: Option<PathBuf>,
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Self, DockerError> {
        match (certificate, key) {
            (None, None) => Ok(Self { ca, own: None }),
            (Some(certificate), Some(key)) => Ok(Self { ca, own: Some((certificate, key)) }),
            _ => Err(DockerError::Tls("`cert_file` and `key_file` need each other".to_owned())),
        }
    }

    /// The folder as Docker's tools have it: `ca.pem`, `cert.pem`, `key.pem`.
    fn in_folder(folder: &Path) -> Self {
        let own = (folder.join("cert.pem"), folder.join("key.pem"));
        Self { ca: Some(folder.join("ca.pem")), own: Some(own) }
    }
}

impl Endpoint {
    /// An engine's address: `$DOCKER_HOST`, which is what the environment says, or a URL with
    /// `unix`, `tcp`, `http`, `https` or `tls`. `variable` looks a variable of the environment up.
    ///
    /// `tcp` is TLS with files of its own or where `DOCKER_TLS_VERIFY` says something, as for
    /// Docker's tools; the files of TLS that has none of its own are those in `DOCKER_CERT_PATH`.
    /// Unlike for them, TLS is always verified.
    ///
    /// # Errors
    /// It is none, or one that isn't spoken with: `ssh`, GoDoxy's agents; or files are given for a
    /// connection that has no TLS.
    pub fn parse(
        text: &str,
        own: Option<TlsFiles>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, DockerError> {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = match text.trim() {
            "$DOCKER_HOST" | "${DOCKER_HOST}" => {
                said("DOCKER_HOST").unwrap_or_else(|| format!("unix://{SOCKET}"))
            }
            text => text.to_owned(),
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(parts) => parts,
            None if text.starts_with('/') => ("unix", text.as_str()),
            None => ("tcp", text.as_str()),
        };
        let files = || {
            said("DOCKER_CERT_PATH")
                .map_or_else(TlsFiles::default, |folder| TlsFiles::in_folder(Path::new(&folder)))
        };
        let tls = match scheme {
            "https" | "tls" => Some(own.unwrap_or_else(files)),
            "tcp" if own.is_some() => own,
            "tcp" if said("DOCKER_TLS_VERIFY").is_some() => Some(files()),
            // Files that did nothing would leave a connection open that was to be closed.
            "unix" | "http" if own.is_some() => {
                let error = format!("`{scheme}` has none: write `tls`, `https` or `tcp`");
                return Err(DockerError::Tls(error));
            }
            _ => None,
        };
        Self::of(&text, scheme, rest, tls)
    }

    fn of(
        text: &str,
        scheme: &str,
        rest: &str,
        tls: Option<TlsFiles>,
    ) -> Result<Self, DockerError> {
        let refused = |why| DockerError::Address { address: text.to_owned(), why };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(refused("the path of a socket is absolute: `unix:///run/docker.sock`")),
            "tcp" | "http" | "https" | "tls" => {
                let (host, port) = authority(rest).ok_or_else(|| {
                    refused("expected `HOST:PORT` behind the scheme, and nothing behind that")
                })?;
                Ok(match tls {
                    Some(files) => Self::Https { host, port: port.unwrap_or(PORTS.1), files },
                    None => Self::Http { host, port: port.unwrap_or(PORTS.0) },
                })
            }
            "ssh" => Err(refused("SSH isn't spoken: run Rutter's agent there")),
            "agent" => Err(refused("GoDoxy's agents aren't spoken with: run Rutter's agent there")),
            _ => Err(refused("the scheme is unix, tcp, http, https or tls")),
        }
    }

    /// Its host, where containers are reached by the ports that it publishes; `None`: this one,
    /// where they are reached by their own addresses.
    pub fn remote_host(&self) -> Option<&HostName> {
        match self {
            Self::Unix(_) => None,
            Self::Http { host, .. } | Self::Https { host, .. } => {
                Some(host).filter(|host| !crate::godoxy::is_this_host(host))
            }
        }
    }
}

/// `HOST` or `HOST:PORT`, an IPv6 address in brackets, perhaps with `/` behind it.
fn authority(text: &str) -> Option<(HostName, Option<u16>)> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    let is_open = host.contains(':') && !host.starts_with('[');
    let host = host.parse().ok().filter(|_| !is_open)?;
    Some((host, port)).filter(|(_, port)| *port != Some(0))
}
