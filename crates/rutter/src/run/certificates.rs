//! The controller's CA, and the certificates that it signs for our own listeners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rutter_api::ServerCertificates;
use rutter_book::{Clock, SystemClock};
use rutter_gateway::{CertificateFiles, SignsNames};
use rutter_registry::{
    CertificateAuthority, DataDir, ListenerName, MAX_NAMES, Pin, ServerCertificate,
};
use rutter_route::{ServiceName, Wall};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::own_ca::SignsUnder;
use crate::config::Config;
use crate::config::raw::{CertificateFiles as Files, Tls};

const CHAIN: &str = "gateway-chain.pem";
const KEY: &str = "gateway-key.pem";
/// The CA's certificate without its key, for those who want to trust it.
const CA: &str = "ca.crt";

/// The certificates of this process's listeners.
pub(super) struct Certificates {
    /// `None` where nothing is kept: all are somebody else's then.
    own: Option<Own>,
    /// Certificates of the APIs' listeners that are somebody else's, with their files.
    given: Mutex<Vec<(Files, Arc<ServerCertificates>)>>,
}

/// The CA and what it signed for this process.
pub(super) struct Own {
    ca: Arc<CertificateAuthority>,
    dir: Arc<DataDir>,
    names: Vec<ListenerName>,
    api: Arc<ServerCertificates>,
    renew_at: Mutex<Wall>,
}

impl Own {
    /// Opens the CA, and signs a certificate for our listeners.
    fn open(dir: &Arc<DataDir>, config: &Config) -> anyhow::Result<Self> {
        let now = SystemClock.now().wall;
        let ca = CertificateAuthority::open(dir, now)?;
        dir.write_private(CA, ca.certificate_pem().as_bytes())?;
        let names = names(config);
        let signed = ca.sign_server(now, &names)?;
        write_for_gateway(dir, &signed)?;
        let renew_at = Mutex::new(signed.leaf.renew_at);
        let api = ServerCertificates::new(signed.leaf.chain, signed.key)?;
        let ca = Arc::new(ca);
        Ok(Self { ca, dir: dir.clone(), names, api, renew_at })
    }

    /// Where they are kept.
    pub(super) fn dir(&self) -> &Arc<DataDir> {
        &self.dir
    }

    /// What a join token carries.
    pub(super) fn pin(&self) -> Pin {
        self.ca.pin()
    }

    pub(super) fn ca(&self) -> &CertificateDer<'static> {
        self.ca.certificate()
    }

    pub(super) fn ca_pem(&self) -> String {
        self.ca.certificate_pem()
    }

    /// What the link shows.
    pub(super) fn for_link(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::<ServerCertificates>::clone(&self.api)
    }

    /// Who signs for names under the gateway's domains.
    pub(super) fn for_names(&self, domains: &[ServiceName]) -> Arc<dyn SignsNames> {
        Arc::new(SignsUnder { ca: self.ca.clone(), domains: domains.to_vec() })
    }

    /// Signs anew when a third of the time is left. Says whether it did.
    fn renew_if_due(&self) -> anyhow::Result<bool> {
        let now = SystemClock.now().wall;
        let mut renew_at = self.renew_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *renew_at {
            return Ok(false);
        }
        let signed = self.ca.sign_server(now, &self.names)?;
        write_for_gateway(&self.dir, &signed)?;
        *renew_at = signed.leaf.renew_at;
        self.api.renew(signed.leaf.chain, signed.key)?;
        tracing::info!("the listeners have a new certificate");
        Ok(true)
    }
}

impl Certificates {
    /// Those of the configuration; with a directory, a CA of our own among them.
    pub(super) fn open(dir: Option<&Arc<DataDir>>, config: &Config) -> anyhow::Result<Self> {
        let own = dir.map(|dir| Own::open(dir, config)).transpose()?;
        Ok(Self { own, given: Mutex::default() })
    }

    /// The own CA.
    ///
    /// # Errors
    /// Nothing is kept here, so there is none.
    pub(super) fn own(&self) -> anyhow::Result<&Own> {
        self.own.as_ref().context("there is no CA: `data` is off")
    }

    /// TLS for a listener of the APIs; `None`: plain.
    pub(super) fn for_api(&self, tls: &Tls) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
        match tls {
            Tls::Off => Ok(None),
            Tls::Own => Ok(Some(self.own()?.api.server_config()?)),
            Tls::Files(files) => {
                let (chain, key) = read(files)?;
                let certificates = ServerCertificates::new(chain, key)?;
                let config = certificates.server_config()?;
                let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
                given.push((files.clone(), certificates));
                Ok(Some(config))
            }
        }
    }

    /// TLS for a listener of the gateway, which reads files.
    pub(super) fn for_gateway(&self, tls: &Tls) -> anyhow::Result<Option<CertificateFiles>> {
        Ok(match tls {
            Tls::Off => None,
            Tls::Own => {
                let dir = &self.own()?.dir;
                Some(CertificateFiles { chain: dir.file(CHAIN), key: dir.file(KEY) })
            }
            Tls::Files(files) => {
                Some(CertificateFiles { chain: files.chain.clone(), key: files.key.clone() })
            }
        })
    }

    /// Further pairs for a listener of the gateway that speaks TLS.
    pub(super) fn more_for_gateway(&self, tls: &Tls, more: &[Files]) -> Vec<CertificateFiles> {
        let pair = |f: &Files| CertificateFiles { chain: f.chain.clone(), key: f.key.clone() };
        match tls {
            Tls::Off => Vec::new(),
            Tls::Own | Tls::Files(_) => more.iter().map(pair).collect(),
        }
    }

    /// Reads the files of certificates again; on an error none has changed.
    pub(super) fn read_again(&self) -> anyhow::Result<()> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            given.iter().map(|(files, _)| read(files)).collect::<anyhow::Result<Vec<_>>>()?;
        for ((_, certificates), (chain, key)) in given.iter().zip(fresh) {
            certificates.renew(chain, key)?;
        }
        Ok(())
    }

    /// Signs the own one anew when it is due. Says whether it did.
    pub(super) fn renew_if_due(&self) -> anyhow::Result<bool> {
        self.own.as_ref().map_or(Ok(false), Own::renew_if_due)
    }
}

/// When to look whether a certificate is due.
pub(super) fn renewals() -> Interval {
    let mut interval = interval(Duration::from_secs(3600));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn write_for_gateway(dir: &DataDir, signed: &ServerCertificate) -> anyhow::Result<()> {
    dir.write_private(CHAIN, signed.leaf.chain_pem().as_bytes())?;
    Ok(dir.write_private(KEY, key_pem(signed.key.secret_der()).as_bytes())?)
}

fn key_pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        // Base64 is ASCII.
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

fn read(files: &Files) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{}: expected certificates in PEM form", files.chain.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("{}: expected a private key in PEM form", files.key.display()))?;
    Ok((chain, key))
}

/// By what names and addresses our listeners are reached.
fn names(config: &Config) -> Vec<ListenerName> {
    let mut names = vec![
        ListenerName::Host(config.domain.clone()),
        ListenerName::Address(Ipv4Addr::LOCALHOST.into()),
        ListenerName::Address(Ipv6Addr::LOCALHOST.into()),
    ];
    let hosts = ["localhost".to_owned(), host_name(), public_host(config)];
    names.extend(hosts.into_iter().filter_map(|host| match host.parse::<IpAddr>() {
        Ok(address) => Some(ListenerName::Address(address)),
        Err(_) => host.parse().ok().map(ListenerName::Host),
    }));
    for (_, listener) in config.listeners.all() {
        names.push(ListenerName::Address(reachable(listener.address).ip()));
    }
    names.sort();
    names.dedup();
    names.truncate(MAX_NAMES);
    names
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn public_host(config: &Config) -> String {
    let url = config.controller.as_ref().and_then(|c| c.public_url.clone()).unwrap_or_default();
    let authority = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.to_owned()
}

/// Where others reach what listens here: for "every address" the one that leads outward.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    SocketAddr::new(outward(address.is_ipv4()), address.port())
}

/// The address that this machine would send from. A connected datagram socket sends nothing.
fn outward(v4: bool) -> IpAddr {
    let (any, far): (SocketAddr, SocketAddr) = match v4 {
        true => ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        false => {
            let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            ((Ipv6Addr::UNSPECIFIED, 0).into(), (far, 9).into())
        }
    };
    let found = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    match found {
        Ok(local) if !local.ip().is_unspecified() => local.ip(),
        // A machine without a way out is reached by itself.
        _ if v4 => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    }
}
