//! `rutter overlay cert`: a CA of one's own and certificates of hosts, for `security.control_plane.tls`.
//!
//! A host is whom its certificate's common name says, and peers dial it by its address, so the
//! addresses stand in the certificate. Keys are ECDSA P-256, which every TLS library of the last ten
//! years takes, the original's too; its own command makes RSA keys, and either serves beside the
//! other.
//!
//! Nothing is overwritten unasked: a CA that is lost takes every host's certificate with it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::cli::Global;

/// The name of the CA, as the original's command has it.
const CA_NAME: &str = "n-netman-ca";

/// Clocks of hosts may differ by so much.
const SKEW: Duration = Duration::hours(1);

/// Ten years: who wants more wants something else.
const MOST_DAYS: u32 = 3660;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter overlay cert init-ca --output-dir /etc/n-netman/tls
  rutter overlay cert gen-host --output-dir /etc/n-netman/tls \\
      --ca-cert /etc/n-netman/tls/ca.crt --ca-key /etc/n-netman/tls/ca.key \\
      --host host-a --ip 192.0.2.1
      the name is the host's `node.id`, the addresses those that its peers dial

The CA's key signs for any host: keep it where no host of the overlay is.")]
pub(super) enum Cert {
    /// Make a CA: ca.crt and ca.key
    InitCa(InitCa),
    /// Sign a host's certificate: HOST.crt and HOST.key
    GenHost(GenHost),
}

/// Where files go, and for how long they are good.
#[derive(Debug, Args)]
struct Made {
    /// Where the files go
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// For how many days it is good
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    days: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitCa {
    #[command(flatten)]
    made: Made,
}

#[derive(Debug, Args)]
pub(super) struct GenHost {
    #[command(flatten)]
    made: Made,
    /// The CA's certificate
    #[arg(long, value_name = "FILE", default_value = "ca.crt")]
    ca_cert: PathBuf,
    /// The CA's key
    #[arg(long, value_name = "FILE", default_value = "ca.key")]
    ca_key: PathBuf,
    /// The host's name, which is its `node.id`; by default what this machine is called
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Its addresses, as its peers dial them; may be given more than once
    #[arg(long = "ip", value_name = "ADDRESS", value_delimiter = ',')]
    addresses: Vec<IpAddr>,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Files {
    name: String,
    certificate: PathBuf,
    key: PathBuf,
    not_after_ms: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

impl Cert {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let files = match self {
            Self::InitCa(init) => init.run()?,
            Self::GenHost(host) => host.run()?,
        };
        global.output().print(&files, |files| {
            let until = crate::text::date(files.not_after_ms);
            let names = match files.names.is_empty() {
                true => String::new(),
                false => format!(" ({})", files.names.join(", ")),
            };
            let (certificate, key) = (files.certificate.display(), files.key.display());
            format!("{certificate} and {key}: {}{names}, good until {until}\n", files.name)
        })
    }
}

impl InitCa {
    fn run(self) -> anyhow::Result<Files> {
        let key = KeyPair::generate()?;
        let mut params = params(CA_NAME, self.made.days)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        let files = self.made.write("ca", &certificate.pem(), &key.serialize_pem())?;
        files.of(CA_NAME, &params)
    }
}

impl GenHost {
    fn run(self) -> anyhow::Result<Files> {
        let host = match self.host {
            Some(host) => host,
            None => std::fs::read_to_string("/proc/sys/kernel/hostname")
                .context("what this machine is called")?
                .trim()
                .to_owned(),
        };
        // It is a file's name too.
        if host.is_empty() || host.contains(['/', '\0']) || host.starts_with('.') {
            bail!("`{host}` can't be a host's name here: it is the name of its files too");
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| {
                format!("{}: make a CA with `rutter overlay cert init-ca`", path.display())
            })
        };
        let (ca, ca_key) = (read(&self.ca_cert)?, read(&self.ca_key)?);
        let ca_key = KeyPair::from_pem(&ca_key)
            .with_context(|| format!("{} is no key", self.ca_key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&ca, ca_key)
            .with_context(|| format!("{} is no certificate", self.ca_cert.display()))?;
        let key = KeyPair::generate()?;
        let mut params = params(&host, self.made.days)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = names(&host, &self.addresses);
        let certificate = params.signed_by(&key, &issuer)?;
        let files = self.made.write(&host, &certificate.pem(), &key.serialize_pem())?;
        files.of(&host, &params)
    }
}

/// The host's name, localhost, and its addresses. A name that is no DNS name is in the common name
/// alone, which is where peers look.
fn names(host: &str, addresses: &[IpAddr]) -> Vec<SanType> {
    let mut names = Vec::new();
    for name in [host, "localhost"] {
        if let Ok(name) = name.try_into() {
            names.push(SanType::DnsName(name));
        }
    }
    names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    names.extend(addresses.iter().copied().map(SanType::IpAddress));
    names
}

fn params(name: &str, days: u32) -> anyhow::Result<CertificateParams> {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.not_before = now - SKEW;
    params.not_after = now + Duration::days(days.into());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Files that were written.
struct Written {
    certificate: PathBuf,
    key: PathBuf,
}

impl Written {
    fn of(self, name: &str, params: &CertificateParams) -> anyhow::Result<Files> {
        let shown = |name: &SanType| match name {
            SanType::DnsName(name) => name.to_string(),
            SanType::IpAddress(address) => address.to_string(),
            other => format!("{other:?}"),
        };
        Ok(Files {
            name: name.to_owned(),
            certificate: self.certificate,
            key: self.key,
            not_after_ms: u64::try_from(params.not_after.unix_timestamp())? * 1000,
            names: params.subject_alt_names.iter().map(shown).collect(),
        })
    }
}

impl Made {
    fn write(&self, name: &str, certificate: &str, key: &str) -> anyhow::Result<Written> {
        let dir = &self.output_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("{} can't be made", dir.display()))?;
        let written = Written {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        for path in [&written.certificate, &written.key] {
            if !self.force && path.exists() {
                bail!("{} is there already: --force replaces it", path.display());
            }
        }
        // The key first: a certificate without its key would look finished.
        write(&written.key, key, 0o600)?;
        write(&written.certificate, certificate, 0o644)?;
        Ok(written)
    }
}

/// Writes a file whole, in the place of the one before.
fn write(path: &Path, contents: &str, mode: u32) -> anyhow::Result<()> {
    let failed = || format!("{} can't be written", path.display());
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // One that is left from a crash may have another mode.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .with_context(failed)?;
    file.write_all(contents.as_bytes()).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    std::fs::rename(&draft, path).with_context(failed)
}
