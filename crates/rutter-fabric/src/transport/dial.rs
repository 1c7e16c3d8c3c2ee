//! Dialling one address of one neighbour, as long as it is configured.

use std::time::Duration;

use rutter_link::{Backoff, KeyVerifier, NeighbourDialer, PeerKey, SharedIdentity, chance};
use rutter_protocol::keys::PublicKey;
use rutter_route::ClusterId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Wires, carry};
use crate::known::Known;

/// In what time a connection has to come about.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long is waited between two attempts.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(10) };

/// One address of one neighbour.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) own: ClusterId,
    pub(crate) neighbour: ClusterId,
    pub(crate) address: String,
    pub(crate) identity: SharedIdentity,
    pub(crate) known: Known,
}

/// Dials until it is stopped, and carries what comes about.
pub(crate) async fn dial(spec: Dial, wires: Wires, stop: CancellationToken) {
    let mut n_failures = 0;
    loop {
        let began = Instant::now();
        let once = once(&spec, &wires, &stop, n_failures);
        let connected = tokio::select! {
            connected = once => connected,
            () = stop.cancelled() => return,
        };
        // One that lasted is no failure; one that is lost at once is.
        let lasted = connected && began.elapsed() > BACKOFF.longest;
        n_failures = if lasted { 1 } else { n_failures + 1 };
        tokio::select! {
            () = tokio::time::sleep(BACKOFF.wait(n_failures, chance())) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One connection from its beginning to its end; whether there was one.
async fn once(spec: &Dial, wires: &Wires, stop: &CancellationToken, n_failures: u32) -> bool {
    let Dial { own, neighbour, address, identity, known } = spec;
    let (its, known) = (neighbour.clone(), known.clone());
    let verifier = KeyVerifier::new(move |key: &PeerKey| {
        known.cluster_of(&PublicKey(key.0)).is_some_and(|cluster| cluster == its)
    });
    let times = (wires.pulse(), PATIENCE);
    let dialer = NeighbourDialer::new((address, own.as_str()), identity, verifier, times);
    let session = match dialer {
        Ok(dialer) => dialer.session().await,
        Err(error) => Err(error),
    };
    match session {
        Ok(session) => {
            carry(wires, neighbour, session, stop).await;
            true
        }
        Err(error) => {
            // Once for people; it may go on for days.
            match n_failures {
                0 => tracing::warn!(%neighbour, address, %error, "the neighbour isn't reached"),
                _ => tracing::debug!(%neighbour, address, %error, "the neighbour isn't reached"),
            }
            false
        }
    }
}
