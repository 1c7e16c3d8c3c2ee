//! Who signs for this cluster, on a thread of its own.
//!
//! A key file signs in some 20 µs; a command (an HSM's tool) may take as long as [`PATIENCE`], so
//! what waits is answered in order and nobody else waits. A command's signature is verified before
//! it is used: a tool with the wrong key in it is found here, and not at every neighbour.
//!
//! # Rotation
//!
//! The new key is on disk before anything is said of it, and the one before stays beside it
//! (`FILE.old`): a crash in between leaves a process that can still sign by the key that neighbours
//! know, and announce the new one ([`super::begin_own`]).
//!
//! Bounds: what waits is bounded by the speaker, which paces what it signs by the room of its
//! connections.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rutter_protocol::hex;
use rutter_protocol::keys::{KeyId, PublicKey};
use rutter_protocol::speaker::{Check, Ticket};
use rutter_protocol::wire::Signature;

use super::SignerSpec;
use super::command;
use super::state::replace;
use crate::FabricError;
use crate::crypto::{self, SigningKey};

/// How long a command may take for one signature.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module's head. It ends when the last of its handles goes.
#[derive(Clone)]
pub struct Signer {
    own: Arc<Mutex<Own>>,
    jobs: mpsc::Sender<Job>,
    runtime: tokio::runtime::Handle,
}

type Job = (Ticket, KeyId, Vec<u8>);

/// What signs: the key of now first, those before it behind.
struct Own {
    hands: Vec<Hand>,
    spec: SignerSpec,
}

#[derive(Clone)]
enum Hand {
    Key(SigningKey),
    Command(Vec<String>, PublicKey),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("primary", &self.primary()).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the key, or makes it, and begins. `told` is called on the signer's thread with each
    /// answer, in the order of [`Signer::submit`]; it may block. Within a tokio runtime only, where
    /// commands run.
    ///
    /// # Errors
    /// The key can't be read, made or written.
    pub fn start(
        spec: &SignerSpec,
        mut told: impl FnMut(Ticket, Result<Signature, String>) + Send + 'static,
    ) -> Result<Self, FabricError> {
        let own = Arc::new(Mutex::new(Own { hands: open(spec)?, spec: spec.clone() }));
        let (jobs, work) = mpsc::channel::<Job>();
        let runtime = tokio::runtime::Handle::current();
        let (hands, within) = (own.clone(), runtime.clone());
        let thread = std::thread::Builder::new().name("fabric-sign".into());
        let spawned = thread.spawn(move || {
            for (ticket, key, bytes) in work {
                let hand = lock(&hands).hand(&key);
                let signature = match hand {
                    Some(hand) => hand.sign(&within, &bytes),
                    None => Err(format!("no {key} to sign by")),
                };
                told(ticket, signature);
            }
        });
        spawned.map_err(|error| FabricError::Key {
            what: "signing".into(),
            why: format!("no thread: {error}"),
        })?;
        Ok(Self { own, jobs, runtime })
    }

    /// Bytes to be signed by the key of that id. It never waits.
    pub fn submit(&self, ticket: Ticket, key: KeyId, bytes: Vec<u8>) {
        // The thread lives as long as this sender.
        let _ = self.jobs.send((ticket, key, bytes));
    }

    /// The key of now.
    pub fn primary(&self) -> PublicKey {
        // There is always one: `open` gives one, and nothing takes the first away.
        lock(&self.own).hands.first().map_or(PublicKey([0; 32]), Hand::public)
    }

    /// Whether it can sign by that key.
    pub fn holds(&self, key: &KeyId) -> bool {
        lock(&self.own).hand(key).is_some()
    }

    /// The key of now itself, for TLS; `None`: a command signs, and nobody sees its key.
    pub fn key(&self) -> Option<SigningKey> {
        match lock(&self.own).hands.first() {
            Some(Hand::Key(key)) => Some(key.clone()),
            _ => None,
        }
    }

    /// The key of that id itself, for TLS; `None`: it isn't held, or a command signs by it.
    pub fn key_of(&self, id: &KeyId) -> Option<SigningKey> {
        match lock(&self.own).hand(id) {
            Some(Hand::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Signs by the key of now, and waits for it: at most [`PATIENCE`] with a command, where it must
    /// not be called on a thread of the async runtime.
    ///
    /// # Errors
    /// For people: the command failed.
    pub fn sign_now(&self, bytes: &[u8]) -> Result<Signature, String> {
        let hand = lock(&self.own).hands.first().cloned();
        hand.ok_or_else(|| "no key to sign by".to_owned())?.sign(&self.runtime, bytes)
    }

    /// A new key, made now, that signs from now on; the one before can be asked for still. Writes
    /// files.
    ///
    /// # Errors
    /// A command signs, whose key isn't ours to make; the files can't be written. Nothing changed.
    pub fn rotate(&self) -> Result<PublicKey, FabricError> {
        let mut own = lock(&self.own);
        let SignerSpec::File(path) = own.spec.clone() else {
            return Err(FabricError::Key {
                what: "rotation".into(),
                why: "a command signs: change its key, and `sign_key` with it, then reload".into(),
            });
        };
        let key = SigningKey::generate()?;
        if let Some(Hand::Key(before)) = own.hands.first() {
            replace(&old(&path), before.to_pem()?.as_bytes())?;
        }
        replace(&path, key.to_pem()?.as_bytes())?;
        let public = key.public();
        own.take(Hand::Key(key));
        Ok(public)
    }

    /// Another file or command signs from now on; the key before can be asked for still.
    ///
    /// # Errors
    /// It can't be read. Nothing changed.
    pub fn replace(&self, spec: &SignerSpec) -> Result<PublicKey, FabricError> {
        let hands = open(spec)?;
        let mut own = lock(&self.own);
        own.spec = spec.clone();
        for hand in hands.into_iter().rev() {
            own.take(hand);
        }
        drop(own);
        Ok(self.primary())
    }
}

impl Own {
    fn hand(&self, key: &KeyId) -> Option<Hand> {
        self.hands.iter().find(|hand| hand.public().id() == *key).cloned()
    }

    /// It becomes the first. Of those before it a few are enough: they end with their overlap.
    fn take(&mut self, hand: Hand) {
        self.hands.retain(|had| had.public() != hand.public());
        self.hands.insert(0, hand);
        self.hands.truncate(rutter_protocol::keys::MAX_KEYS);
    }
}

impl Hand {
    fn public(&self) -> PublicKey {
        match self {
            Self::Key(key) => key.public(),
            Self::Command(_, key) => *key,
        }
    }

    fn sign(&self, runtime: &tokio::runtime::Handle, bytes: &[u8]) -> Result<Signature, String> {
        let (command, key) = match self {
            Self::Key(key) => return Ok(key.sign(bytes)),
            Self::Command(command, key) => (command, key),
        };
        let printed = runtime.block_on(command::run(command, bytes, 1_024, PATIENCE))?;
        let printed = String::from_utf8_lossy(&printed);
        let signature = hex::decode_array(printed.trim()).map(Signature);
        let signature = signature.ok_or("the signer's command prints no signature in hex")?;
        let check = Check { key: *key, bytes: bytes.to_vec(), signature };
        if !crypto::verify(&check) {
            return Err(format!("the signer's command doesn't sign by {}", key.id()));
        }
        Ok(signature)
    }
}

fn open(spec: &SignerSpec) -> Result<Vec<Hand>, FabricError> {
    match spec {
        SignerSpec::Command { command, key } => Ok(vec![Hand::Command(command.clone(), *key)]),
        SignerSpec::File(path) => {
            let key = match load(path)? {
                Some(key) => key,
                None => make(path)?,
            };
            let before = load(&old(path))?.filter(|before| before.public() != key.public());
            Ok([Some(key), before].into_iter().flatten().map(Hand::Key).collect())
        }
    }
}

fn load(path: &Path) -> Result<Option<SigningKey>, FabricError> {
    let what = path.display().to_string();
    let pem = match fs::read_to_string(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FabricError::Key { what, why: error.to_string() }),
    };
    let is_open = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if is_open {
        tracing::warn!(key = what, "others than its owner may read the cluster's key");
    }
    SigningKey::from_pem(&what, &pem).map(Some)
}

fn make(path: &Path) -> Result<SigningKey, FabricError> {
    let key = SigningKey::generate()?;
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        fs::create_dir_all(folder).map_err(|error| super::state::failed(folder, &error))?;
    }
    replace(path, key.to_pem()?.as_bytes())?;
    tracing::info!(key = %path.display(), id = %key.id(), "a key of this cluster was made");
    Ok(key)
}

/// Where the key before is kept.
fn old(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    PathBuf::from(name)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
