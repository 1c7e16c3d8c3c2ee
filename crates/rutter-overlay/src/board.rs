//! How each peer is, as people, monitoring and those who follow peers' health see it.

use std::collections::BTreeMap;
use std::fmt;

use rutter_link::LastHeard;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::PeerName;

/// What a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `rutter.v1`.
    Rutter,
    /// `nnetman.v1`: an original.
    NNetMan,
}

impl Protocol {
    /// The protocol as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rutter => "rutter.v1",
            Self::NNetMan => "nnetman.v1",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a peer is.
#[derive(Debug, Clone)]
pub struct Life {
    /// Whether it is there.
    pub there: bool,
    /// Since when it is there, or isn't.
    pub since: Instant,
    /// What it speaks, or spoke last; `None`: it was never there.
    pub protocol: Option<Protocol>,
    /// When it was heard.
    pub heard: LastHeard,
    /// How often it came.
    pub n_lives: u64,
    /// What went wrong last, until it is there again.
    pub error: Option<String>,
}

impl Life {
    fn new() -> Self {
        Self {
            there: false,
            since: Instant::now(),
            protocol: None,
            heard: LastHeard::default(),
            n_lives: 0,
            error: None,
        }
    }
}

/// All configured peers.
pub type Lives = BTreeMap<PeerName, Life>;

/// See the module's head. Bounded by the peers that are configured.
#[derive(Debug)]
pub(crate) struct Board(watch::Sender<Lives>);

impl Default for Board {
    fn default() -> Self {
        Self(watch::Sender::new(Lives::new()))
    }
}

impl Board {
    pub(crate) fn watch(&self) -> watch::Receiver<Lives> {
        self.0.subscribe()
    }

    /// A peer is configured, and wasn't seen yet.
    pub(crate) fn add(&self, peer: &PeerName) {
        self.0.send_modify(|lives| {
            lives.entry(peer.clone()).or_insert_with(Life::new);
        });
    }

    pub(crate) fn forget(&self, peer: &PeerName) {
        self.0.send_modify(|lives| drop(lives.remove(peer)));
    }

    /// A peer is there. Whether it wasn't.
    pub(crate) fn up(&self, peer: &PeerName, protocol: Protocol, heard: LastHeard) -> bool {
        let mut came = false;
        self.0.send_if_modified(|lives| {
            let Some(life) = lives.get_mut(peer) else { return false };
            came = !life.there;
            if came {
                life.since = Instant::now();
                life.n_lives += 1;
            }
            let differs = came || life.protocol != Some(protocol);
            (life.there, life.protocol, life.error) = (true, Some(protocol), None);
            life.heard = heard;
            differs
        });
        came
    }

    /// A peer isn't there, or not yet. Whether it was.
    pub(crate) fn down(&self, peer: &PeerName, why: &str) -> bool {
        let mut went = false;
        self.0.send_if_modified(|lives| {
            let Some(life) = lives.get_mut(peer) else { return false };
            went = std::mem::take(&mut life.there);
            if went {
                life.since = Instant::now();
            }
            let new = life.error.as_deref() != Some(why);
            life.error = Some(why.to_owned());
            went || new
        });
        went
    }
}
