//! A gateway's membership with a controller elsewhere, and where it is kept.
//!
//! In the data directory stand `link-key.pem`, the gateway's key, made once; and `link.json`: where
//! the link is, whom to trust there, and what the gateway became. With both, a start needs nothing
//! of the controller. Without them it joins by its join line, and goes on trying: a controller that
//! is down when the gateway starts is no reason to end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rutter_agent::{JoinUrl, Joined, Keeps, Member, Membership};
use rutter_gateway::ControllerCa;
use rutter_link::LinkKey;
use rutter_registry::{DataDir, read_private};
use tokio::sync::watch;

const KEY: &str = "link-key.pem";
const STATE: &str = "link.json";

/// Reads what is kept; makes the key if there is none.
///
/// # Errors
/// Files that can't be read or written, or aren't what they should be.
pub(super) fn open(dir: Arc<DataDir>, url: JoinUrl, name: String) -> anyhow::Result<Membership> {
    let path = dir.file(KEY);
    let key = match read_private(&path)? {
        Some(pem) => LinkKey::from_pem(&String::from_utf8_lossy(&pem))
            .with_context(|| format!("{}", path.display()))?,
        None => {
            let key = LinkKey::generate()?;
            dir.write_private(KEY, key.to_pem().as_bytes())?;
            key
        }
    };
    let path = dir.file(STATE);
    let joined = match read_private(&path)? {
        Some(json) => Some(serde_json::from_slice(&json).with_context(|| {
            format!("{} is damaged; without it the gateway joins again", path.display())
        })?),
        None => None,
    };
    let member = Member { url, name, role: "gateway" };
    Ok(Membership::new(member, key, joined, Arc::new(InData(dir)))?)
}

/// Joins if it hasn't, within a time; otherwise it is done while the gateway runs.
pub(super) async fn join_soon(membership: &Membership, within: Duration) {
    match tokio::time::timeout(within, membership.join()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the gateway hasn't joined yet"),
        Err(_) => tracing::warn!("the gateway hasn't joined yet: no answer"),
    }
}

/// Has a gateway that joins while it runs trust the CA of what it joined.
pub(super) async fn learn_ca(mut joined: watch::Receiver<Option<Joined>>, of: ControllerCa) {
    // An error: the membership, and the gateway with it, has ended.
    while joined.changed().await.is_ok() {
        let ca = joined.borrow_and_update().as_ref().and_then(Joined::ca);
        let Some(ca) = ca else { continue };
        match of.trust(CertificateDer::from(ca)) {
            Ok(()) => tracing::debug!("services' certificates of the controller's CA are good now"),
            Err(error) => tracing::error!(%error, "the controller's CA isn't trusted"),
        }
    }
}

/// The data directory.
#[derive(Debug)]
struct InData(Arc<DataDir>);

impl Keeps for InData {
    fn keep(&self, joined: &Joined) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let json = serde_json::to_vec_pretty(joined)?;
        Ok(self.0.write_private(STATE, &json)?)
    }
}
