//! One session, seen from the accepting end.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::observed::Observations;
use super::service::Shared;
use super::subscribe::Subscriptions;
use super::{Admitted, Announced};
use crate::talk::{Ended, Talk};
use crate::wire::said;
use crate::wire::v1::{self, frame::Body};
use crate::{PeerKey, Refusal, RefusalCode};

/// Speaks with a dialer until one of the two ends it.
pub(crate) async fn run<S>(
    shared: Arc<Shared>,
    key: PeerKey,
    from: SocketAddr,
    heard: S,
    said: mpsc::Sender<v1::Frame>,
) where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin + Send,
{
    let mut talk = Talk::new(heard, said, shared.config.keepalive);
    let (mut session, superseded) = match begin(&shared, key, from, &mut talk).await {
        Ok(begun) => begun,
        Err(ended) => return farewell(&talk, &ended, key, from).await,
    };
    let name = session.name.clone();
    tracing::info!(name, %from, incarnation = session.incarnation, "a link session begins");
    let ended = session.until_the_end(&shared, key, &mut talk, superseded).await;
    session.close(&shared, key, matches!(ended, End::Theirs(Ended::Bye { .. }))).await;
    tracing::info!(name, %from, why = %ended, "a link session has ended");
    farewell(&talk, &ended, key, from).await;
}

/// Why a session ends.
enum End {
    /// By what the other end does.
    Theirs(Ended),
    /// By us.
    Ours(Refusal),
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Theirs(ended)
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(refusal)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Theirs(ended) => ended.fmt(f),
            Self::Ours(refusal) => f.write_str(&refusal.why),
        }
    }
}

/// Says why it ends, to whom may still listen.
async fn farewell<S>(talk: &Talk<S>, end: &End, key: PeerKey, from: SocketAddr)
where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
{
    let refusal = match end {
        End::Ours(refusal) => refusal.clone(),
        End::Theirs(Ended::Protocol(why)) => Refusal::new(RefusalCode::Protocol, why),
        End::Theirs(Ended::Silent(_)) => Refusal::new(RefusalCode::Silent, end),
        End::Theirs(Ended::Bye { .. } | Ended::Broken(_)) => return,
    };
    tracing::debug!(%key, %from, %refusal, "a link session is refused or ended");
    let bye = v1::Bye { code: refusal.code.to_string(), why: refusal.why };
    // A way out that is full belongs to one who doesn't read: it will see the stream end.
    let _unheard = talk.way_out().try_send(crate::wire::frame(Body::Bye(bye)));
}

struct Session {
    name: String,
    incarnation: u64,
    subscriptions: Subscriptions,
    observations: Observations,
    announced: Option<Box<dyn Announced>>,
}

async fn begin<S>(
    shared: &Arc<Shared>,
    key: PeerKey,
    from: SocketAddr,
    talk: &mut Talk<S>,
) -> Result<(Session, CancellationToken), End>
where
    S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
{
    let greeted = talk.greeted().await?;
    let Admitted { name, incarnation, domain, offers, announced } =
        shared.admission.admit(key, from).await?;
    // After the key was found to be somebody's: a stranger ends nobody's session.
    let superseded = shared.sessions.enter(key);
    tracing::debug!(name, software = greeted.software, revision = greeted.revision, "admitted");
    let hello = v1::Hello {
        you_are: name.clone(),
        incarnation,
        your_address: from.ip().to_canonical().to_string(),
        your_domain: domain.unwrap_or_default(),
        ..talk.hello(&shared.config.name)
    };
    talk.say(Body::Hello(hello)).await?;
    let session = Session {
        observations: Observations::new(&name, &offers),
        subscriptions: Subscriptions::new(&name, offers),
        name,
        incarnation,
        announced,
    };
    Ok((session, superseded))
}

impl Session {
    async fn until_the_end<S>(
        &mut self,
        shared: &Arc<Shared>,
        key: PeerKey,
        talk: &mut Talk<S>,
        superseded: CancellationToken,
    ) -> End
    where
        S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
    {
        let mut recheck = tokio::time::interval(shared.config.keepalive);
        loop {
            let body = tokio::select! {
                body = talk.next() => match body {
                    Ok(body) => body,
                    Err(ended) => return ended.into(),
                },
                () = superseded.cancelled() => {
                    let why = "another session of this key has begun";
                    return Refusal::new(RefusalCode::Superseded, why).into();
                }
                () = shared.stop.cancelled() => {
                    return Refusal::new(RefusalCode::Shutdown, "the accepter ends").into();
                }
                _ = recheck.tick() => {
                    if shared.admission.knows(key) {
                        continue;
                    }
                    let why = "this key is nobody's any more";
                    return Refusal::new(RefusalCode::NotKnown, why).into();
                }
            };
            if let Err(end) = self.take(shared, key, talk, body).await {
                return end;
            }
        }
    }

    async fn take<S>(
        &mut self,
        shared: &Arc<Shared>,
        key: PeerKey,
        talk: &Talk<S>,
        body: Body,
    ) -> Result<(), End>
    where
        S: Stream<Item = Result<v1::Frame, Status>> + Unpin,
    {
        match body {
            Body::Subscribe(asked) => {
                self.subscriptions.subscribe(&shared.parked, key, asked, talk.way_out()).await?;
            }
            Body::Observe(observe) => self.observations.take(&observe).await,
            Body::Report(report) => self.subscriptions.reported(&report),
            Body::Update(update) => {
                let report = self.heard(update).await;
                talk.say(Body::Report(report)).await?;
            }
            // Handled by the conversation.
            Body::Hello(_) | Body::Keepalive(_) | Body::Bye(_) => {}
        }
        Ok(())
    }

    /// What the speaker says as a source. A refusal is an answer, not the session's end.
    async fn heard(&mut self, update: v1::Update) -> v1::Report {
        let (table, source) = (update.table.clone(), update.source.clone());
        let answered = match &mut self.announced {
            None => Err(Refusal::new(RefusalCode::NotAllowed, "this key may say nothing")),
            Some(announced) => match said::decode_update(&update, &self.name) {
                Err(malformed) => Err(Refusal::new(RefusalCode::Invalid, malformed)),
                Ok((update, malformed)) => announced.heard(update).await.map(|mut report| {
                    report.outcomes.extend(malformed);
                    report
                }),
            },
        };
        said::encode_report(table, source, answered)
    }

    async fn close(&mut self, shared: &Arc<Shared>, key: PeerKey, said: bool) {
        self.subscriptions.park(&shared.parked, key).await;
        self.observations.clear().await;
        if let Some(announced) = &mut self.announced {
            announced.ended(said).await;
        }
    }
}
