//! A part's membership with a controller: how it joins, and where it then finds the link.
//!
//! An agent and a gateway apart do it alike: they ask the API of their join line where the link is,
//! enrol a key there by the token, keep where that was ([`Joined`]), and dial it from then on. What
//! differs is where it is kept ([`Keeps`]).
//!
//! - Whoever makes a membership has its key on disk. So an enrolment whose answer got lost is asked
//!   for again, and the controller says what stands; nothing is spent twice.
//! - With what is kept, a start needs nothing of the API. Where the link is may change, so after an
//!   attempt that came to nothing the API is asked again.
//! - With a pin in the join line that CA alone is trusted, whatever is said; without one, the CA
//!   that the API named when it was joined, and another one later is another controller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use rutter_link::{CaPin, Dialer, Dials, LinkError, LinkKey, RefusalCode, Remote};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::http::{Ask, Http, general_advice, may_pass};
use crate::{AgentError, JoinUrl, Secret};

/// What a part keeps of its membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// `HOST:PORT` of the link.
    pub address: String,
    /// The pin of its CA.
    pub pin: String,
    /// The name that the controller gave.
    pub name: String,
    /// The CA's certificate, DER as hex.
    pub ca: String,
}

impl Joined {
    /// The controller's CA, DER; `None`: it has none.
    pub fn ca(&self) -> Option<Vec<u8>> {
        let pairs = self.ca.as_bytes().chunks(2);
        let bytes = pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>();
        bytes.filter(|bytes| !bytes.is_empty())
    }
}

/// Where a membership is kept.
pub trait Keeps: std::fmt::Debug + Send + Sync + 'static {
    /// Keeps it, whole or not at all. It may block.
    ///
    /// # Errors
    /// What the system says. The membership holds in memory, and is handed in again.
    fn keep(&self, joined: &Joined) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Who wants to be a member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where and with what it joins.
    pub url: JoinUrl,
    /// The name that it wants.
    pub name: String,
    /// What it wants to be: `agent`, `gateway`, `node`.
    pub role: &'static str,
}

/// A membership, joined or not yet.
#[derive(Debug)]
pub struct Membership {
    http: Http,
    member: Member,
    key: LinkKey,
    keeps: Arc<dyn Keeps>,
    joined: watch::Sender<Option<Joined>>,
    /// One at a time; whether what holds isn't kept yet.
    unkept: Mutex<bool>,
    n_dialled: AtomicU32,
}

/// The answer of `GET /v1/link`.
#[derive(Deserialize)]
struct LinkAnswer {
    address: String,
    pin: String,
}

impl Membership {
    /// A membership with a key that lasts, and what was kept of it.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub fn new(
        member: Member,
        key: LinkKey,
        joined: Option<Joined>,
        keeps: Arc<dyn Keeps>,
    ) -> Result<Self, AgentError> {
        let http = Http::new(member.url.controller.clone(), member.url.pin)?;
        Ok(Self::by(http, member, key, joined, keeps))
    }

    /// As [`Membership::new`], with a client that is there.
    pub(crate) fn by(
        mut http: Http,
        member: Member,
        key: LinkKey,
        joined: Option<Joined>,
        keeps: Arc<dyn Keeps>,
    ) -> Self {
        member.url.token.iter().for_each(|token| http.conceal(token));
        let (joined, unkept) = (watch::Sender::new(joined), Mutex::new(false));
        Self { http, member, key, keeps, joined, unkept, n_dialled: AtomicU32::new(0) }
    }

    /// Follows what it has joined.
    pub fn joined(&self) -> watch::Receiver<Option<Joined>> {
        self.joined.subscribe()
    }

    /// Joins by the token of the join line, if it hasn't; without one a person lets it in.
    ///
    /// # Errors
    /// The API or the link says no or isn't there; no token was used up then, or asking again
    /// finds what it was used for.
    pub async fn join(&self) -> Result<Joined, AgentError> {
        self.join_with(self.member.url.token.as_ref()).await
    }

    /// As [`Membership::join`] by another token.
    pub(crate) async fn join_by(&self, token: &Secret) -> Result<Joined, AgentError> {
        self.join_with(Some(token)).await
    }

    /// Is no member any more as far as it knows, and joins anew when it is dialled next.
    pub(crate) fn forget(&self) {
        self.joined.send_replace(None);
    }

    async fn join_with(&self, token: Option<&Secret>) -> Result<Joined, AgentError> {
        let mut unkept = self.unkept.lock().await;
        if let Some(joined) = self.held() {
            return Ok(joined);
        }
        let remote = self.ask().await?;
        let said = |error| self.said(error, enrol_advice);
        let dialer = Dialer::new(remote.clone(), &self.key).map_err(said)?;
        let Member { name, role, .. } = &self.member;
        let enrolled =
            dialer.enrol(token.map_or("", Secret::reveal), name, role).await.map_err(said)?;
        let domain = enrolled.domain.as_deref().unwrap_or_default();
        tracing::info!(name = enrolled.name, role = enrolled.role, domain, "joined");
        let joined = Joined {
            address: remote.address,
            pin: remote.pin.to_string(),
            name: enrolled.name,
            ca: enrolled.ca.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        self.hold(joined.clone(), &mut unkept).await;
        Ok(joined)
    }

    /// Keeps what couldn't be kept before, if there is something.
    pub(crate) async fn keep_again(&self) {
        let mut unkept = self.unkept.lock().await;
        if let Some(joined) = self.held().filter(|_| *unkept) {
            self.hold(joined, &mut unkept).await;
        }
    }

    /// A link's error in words for people, without secrets that the other end may repeat.
    pub(crate) fn said(
        &self,
        error: LinkError,
        advice: fn(RefusalCode) -> &'static str,
    ) -> AgentError {
        let advice = match (&error, error.refusal()) {
            (_, Some(code)) => advice(code),
            (LinkError::Unreachable { .. }, _) => {
                "is the controller running, and does a firewall let its port `link` through?"
            }
            _ => "check the versions at both ends",
        };
        let shown = |text: &str| self.http.shown(text);
        let said = match error {
            LinkError::NoDialer(own) => match own.downcast::<AgentError>() {
                Ok(own) => return *own,
                Err(own) => LinkError::NoDialer(own),
            },
            LinkError::Refused { remote, code, why } => {
                LinkError::Refused { remote, code: shown(&code), why: shown(&why) }
            }
            LinkError::Unreachable { remote, why } => {
                LinkError::Unreachable { remote, why: shown(&why) }
            }
            LinkError::Protocol { remote, why } => LinkError::Protocol { remote, why: shown(&why) },
            other => other,
        };
        AgentError::Link { said, advice }
    }

    /// Who makes the other end's words fit to be shown.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Where the link is, or its API.
    pub(crate) fn remote(&self) -> String {
        self.held().map_or_else(|| self.http.base().to_string(), |joined| joined.address)
    }

    fn held(&self) -> Option<Joined> {
        self.joined.borrow().clone()
    }

    /// Holds it from now on. A full disk must not lose a membership that a token was spent for: it
    /// goes on from memory.
    async fn hold(&self, joined: Joined, unkept: &mut bool) {
        let (keeps, kept) = (self.keeps.clone(), joined.clone());
        self.joined.send_if_modified(|held| {
            let changed = held.as_ref() != Some(&joined);
            *held = Some(joined);
            changed
        });
        let keeping = tokio::task::spawn_blocking(move || keeps.keep(&kept));
        let failed = match keeping.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        *unkept = failed.is_some();
        if let Some(error) = failed {
            tracing::error!(error, "the membership is only in memory: the next start joins again");
        }
    }

    /// Where the link is, as the API says.
    async fn ask(&self) -> Result<Remote, AgentError> {
        let ask = Ask {
            what: "the question for its link",
            method: Method::GET,
            path: &["v1", "link"],
            query: None,
            bearer: None,
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            let advice = link_advice(answer.status);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        let told: LinkAnswer = self.http.json(&answer)?;
        let pin = match self.member.url.pin {
            Some(pin) => pin,
            None => {
                let wrong = |why: &str| self.http.garbled(answer.what, why.to_owned());
                told.pin.parse::<CaPin>().map_err(wrong)?
            }
        };
        Ok(Remote { address: self.http.shown(&told.address), pin })
    }

    /// Asks whether the link has moved.
    async fn look_again(&self, known: &mut Joined) -> Result<bool, LinkError> {
        let found = match self.ask().await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "where the link is now isn't known");
                return Ok(false);
            }
        };
        if found.pin.to_string() != known.pin {
            let why = "it has another CA than the controller that was joined".to_owned();
            let (remote, code) = (found.address, RefusalCode::NotKnown.to_string());
            return Err(LinkError::Refused { remote, code, why });
        }
        if found.address == known.address {
            return Ok(false);
        }
        tracing::info!(from = known.address, to = found.address, "the link has moved");
        known.address = found.address;
        Ok(true)
    }
}

#[async_trait]
impl Dials for Membership {
    async fn dialer(&self) -> Result<Dialer, LinkError> {
        let again = self.n_dialled.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        let mut now = match self.held() {
            Some(known) => known,
            None => self.join().await.map_err(|error| LinkError::NoDialer(error.into()))?,
        };
        if again && self.look_again(&mut now).await? {
            let mut unkept = self.unkept.lock().await;
            self.hold(now.clone(), &mut unkept).await;
        }
        let pin = now.pin.parse().map_err(|why: &str| LinkError::Tls(why.to_owned()))?;
        Dialer::new(Remote { address: now.address, pin }, &self.key)
    }
}

fn link_advice(status: u16) -> &'static str {
    match status {
        404 | 405 => {
            "joining goes over the controller's `link`: it needs `listeners.link` there, and a \
             version that has it; or is this the API that was meant? Check address, port and path"
        }
        _ => general_advice(status),
    }
}

fn enrol_advice(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::Token => {
            "the join token is unknown, expired, used up or for another role; make a new one on \
             the controller"
        }
        RefusalCode::NameTaken => {
            "the name is taken; choose another with --name (of a gateway: `gateway.name`), or, if it was given to this host, \
             name the state directory that its key was stored in"
        }
        RefusalCode::Invalid => "the controller doesn't take this name; choose another with --name",
        _ => link_refusal_advice(code),
    }
}

/// What to do about a refusal that means the same wherever it comes.
pub(crate) fn link_refusal_advice(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NotKnown => {
            "the controller doesn't know this key, it may have been removed; join again with a \
             new join token"
        }
        RefusalCode::Superseded => "two processes have this key; each name needs its own",
        RefusalCode::Silent | RefusalCode::Shutdown | RefusalCode::Unavailable => {
            "the trouble is on its side, see its log; it will be tried again"
        }
        RefusalCode::Pending => "a person's word is waited for; it will be asked again",
        RefusalCode::Bound => "a bound of the controller is reached; ask who runs it",
        _ => "this was not expected; check the versions at both ends",
    }
}
