//! The files that a route names for TLS with its upstream: read, and read again.
//!
//! Files are read when the first connection needs them, and again when a connection is made or used
//! again later than [`RECHECK`]: what counts is their content, since a certificate that was renewed
//! may keep length and time. Content that changed and is good is taken from then on, and connections
//! that were made with the old are not used again. Content that can't be read or isn't good leaves
//! what was there before, with a warning each time that it is looked at; where nothing was before, no
//! connection is made. It is never the case that a file that is missing means less protection.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rutter_route::UpstreamOptions;
use smol_str::SmolStr;

/// How old may be what was read.
pub(super) const RECHECK: Duration = Duration::from_secs(1);

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// A file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub(crate) struct BadFile {
    path: SmolStr,
    why: String,
}

/// What the files hold, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Files {
    trusted: Option<Content>,
    /// A chain and its key.
    client: Option<(Content, Content)>,
}

/// A file's name and what is in it.
type Content = (SmolStr, Vec<u8>);

impl Files {
    /// Reads all that the options name. It blocks.
    ///
    /// # Errors
    /// The first that can't be read.
    pub(super) fn read(options: &UpstreamOptions) -> Result<Self, BadFile> {
        let trusted = options.trusted_certificate.as_ref().map(read).transpose()?;
        let client = match &options.client_certificate {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        Ok(Self { trusted, client })
    }

    /// The certificates that are trusted; `None`: the options name none.
    ///
    /// # Errors
    /// The file holds none.
    pub(super) fn trusted(&self) -> Result<Option<Vec<CertificateDer<'static>>>, BadFile> {
        self.trusted.as_ref().map(certificates).transpose()
    }

    /// The certificate that is shown, and its key.
    ///
    /// # Errors
    /// A file holds none.
    pub(super) fn client(&self) -> Result<Option<ClientIdentity>, BadFile> {
        let Some((chain, (path, key))) = &self.client else { return Ok(None) };
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| BadFile::new(path, "expected a private key in PEM form"))?;
        Ok(Some((certificates(chain)?, key)))
    }

    /// The file of the certificate that is shown, for errors that concern it.
    pub(super) fn client_path(&self) -> SmolStr {
        self.client.as_ref().map(|((path, _), _)| path.clone()).unwrap_or_default()
    }
}

/// A chain and its key.
pub(super) type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl BadFile {
    pub(super) fn new(path: &SmolStr, why: impl ToString) -> Self {
        Self { path: path.clone(), why: why.to_string() }
    }
}

fn read(path: &SmolStr) -> Result<Content, BadFile> {
    use std::io::Read;
    let failed = |error: std::io::Error| BadFile::new(path, error);
    let file = std::fs::File::open(Path::new(path.as_str())).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(BadFile::new(path, "it is no file"));
    }
    let mut content = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(BadFile::new(path, format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok((path.clone(), content))
}

fn certificates((path, content): &Content) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let expected = || BadFile::new(path, "expected certificates in PEM form");
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let all = all.map_err(|_| expected())?;
    if all.is_empty() { Err(expected()) } else { Ok(all) }
}
