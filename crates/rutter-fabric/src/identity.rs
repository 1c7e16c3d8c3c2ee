//! What this cluster shows in TLS: a certificate around one of its keys.
//!
//! After a rotation the old key counts for the overlap, and a neighbour that was away may not have
//! heard of the new one yet. So the oldest of the active keys is shown, as long as more than half of
//! the overlap is left of it; whoever knows the new key still knows that one too.

use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rutter_link::{LinkKey, RemoteKey};
use rutter_protocol::keys::{KeyRecord, PublicKey};
use rutter_route::Now;

use crate::FabricError;
use crate::keys::Signer;

/// Which of the own keys is shown, and for how long; `None`: until something changes.
pub(crate) fn shown(
    active: &[KeyRecord],
    primary: PublicKey,
    holds: impl Fn(&PublicKey) -> bool,
    now: Now,
    overlap: Duration,
) -> (PublicKey, Option<Duration>) {
    let half = overlap / 2;
    let left = |record: &KeyRecord| {
        let ends = record.expires_at?;
        Some(Duration::from_millis(ends.0.saturating_sub(now.wall.0)))
    };
    let ending = active.iter().filter(|record| record.key != primary && holds(&record.key));
    let ending = ending.filter_map(|record| Some((record.key, left(record)?)));
    match ending.filter(|(_, left)| *left > half).min_by_key(|(_, left)| *left) {
        Some((key, left)) => (key, Some(left - half)),
        None => (primary, None),
    }
}

/// A certificate around a key of the signer.
///
/// # Errors
/// It can't be made.
pub(crate) fn certified(signer: &Signer, key: PublicKey) -> Result<Arc<CertifiedKey>, FabricError> {
    let wrong = |error: rutter_link::LinkError| FabricError::Key {
        what: "the certificate that neighbours are shown".into(),
        why: error.to_string(),
    };
    if let Some(own) = signer.key_of(&key.id()) {
        let link = LinkKey::from_pem(&own.to_pem()?).map_err(wrong)?;
        return link.certified().map(Arc::new).map_err(wrong);
    }
    let by = signer.clone();
    let remote =
        RemoteKey::new(key.0, move |bytes| by.sign_now(bytes).map(|signature| signature.0));
    remote.certified().map(Arc::new).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use rutter_route::Wall;

    use super::*;

    fn record(key: u8, expires_at: Option<u64>) -> KeyRecord {
        KeyRecord { key: PublicKey([key; 32]), added_at: Wall(0), expires_at: expires_at.map(Wall) }
    }

    #[test]
    fn the_old_key_is_shown_until_half_its_overlap_has_passed() {
        let active = [record(2, None), record(1, Some(160_000))];
        let at = |ms| {
            let primary = PublicKey([2; 32]);
            let of = shown(&active, primary, |_| true, Now::new(0, ms), Duration::from_secs(60));
            (of.0.0[0], of.1.map(|left| left.as_secs()))
        };
        assert_eq!(at(100_000), (1, Some(30)));
        assert_eq!(at(129_000), (1, Some(1)));
        assert_eq!(at(130_000), (2, None));
        assert_eq!(at(170_000), (2, None));
    }

    #[test]
    fn a_key_that_cant_be_signed_by_is_not_shown() {
        let active = [record(2, None), record(1, Some(160_000))];
        let of = shown(&active, PublicKey([2; 32]), |_| false, Now::new(0, 0), Duration::MAX);
        assert_eq!(of, (PublicKey([2; 32]), None));
    }
}
