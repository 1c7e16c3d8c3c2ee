//! The new process's side.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, bail};
use rutter_registry::schema_known;

use super::channel::Channel;
use super::{PROTOCOL, Sockets, ToNew, ToOld, VARIABLE};

/// The longest reason, in bytes.
const MAX_WHY: usize = 16 * 1024;

/// Whom this process takes over from.
pub(crate) struct Predecessor {
    channel: Channel,
    pub(in crate::run) sockets: Sockets,
}

impl Predecessor {
    /// The process that has started this one to take over from it, if so it was. To be called inside
    /// a runtime, before standard input is used.
    ///
    /// # Errors
    /// Standard input isn't what it should be then.
    pub(crate) fn find() -> anyhow::Result<Option<Self>> {
        if std::env::var_os(VARIABLE).is_none_or(|version| version.is_empty()) {
            return Ok(None);
        }
        let end = std::io::stdin().as_fd().try_clone_to_owned()?;
        // Not again by anybody, and closed when this process's part is done.
        let nothing = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        let kind = rustix::net::sockopt::socket_type(&end);
        if kind != Ok(rustix::net::SocketType::SEQPACKET) {
            tracing::debug!("{VARIABLE} is set, but nobody hands over: an ordinary start");
            return Ok(None);
        }
        let channel = Channel::of(end).context("the channel of a hand-over")?;
        Ok(Some(Self { channel, sockets: Sockets::default() }))
    }

    /// Says that the file is read, and gets the sockets.
    pub(in crate::run) async fn hello(&mut self) -> anyhow::Result<()> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let hello = ToOld::Hello { protocol: PROTOCOL, version, schema: schema_known() };
        match self.ask(&hello).await? {
            Some((ToNew::Sockets(names), descriptors)) => {
                self.sockets = Sockets::of(names, descriptors);
                Ok(())
            }
            answer => unexpected(answer),
        }
    }

    /// The lock of the data directory, which is this process's from now on.
    pub(in crate::run) async fn data(&mut self, path: &Path) -> anyhow::Result<OwnedFd> {
        match self.ask(&ToOld::Data { path: path.to_owned() }).await? {
            Some((ToNew::Data, descriptors)) => {
                descriptors.into_iter().next().context("the lock didn't come along")
            }
            answer => unexpected(answer),
        }
    }

    /// Says that everything is restored, and waits for the word to accept. Without the other
    /// process there is nobody to wait for: it can't take anything back.
    pub(in crate::run) async fn ready(&self) -> anyhow::Result<()> {
        match self.ask(&ToOld::Ready).await? {
            Some((ToNew::Go, _)) => Ok(()),
            None => {
                tracing::warn!("the process before this one ended before its time");
                Ok(())
            }
            answer => unexpected(answer),
        }
    }

    /// Says that it serves, which whoever asked for the hand-over waits for.
    pub(in crate::run) async fn serving(&self) {
        if let Err(error) = self.channel.send(&ToOld::Serving, &[]).await {
            tracing::debug!(%error, "nobody waits for it");
        }
    }

    /// Says why it can't.
    pub(crate) async fn failed(&mut self, error: &anyhow::Error) {
        let mut why = format!("{error:#}");
        let end = (0..=MAX_WHY.min(why.len())).rev().find(|n| why.is_char_boundary(*n));
        why.truncate(end.unwrap_or(0));
        if let Err(error) = self.channel.send(&ToOld::Failed { why }, &[]).await {
            tracing::debug!(%error, "nobody hears why");
        }
    }

    async fn ask(&self, message: &ToOld) -> anyhow::Result<Option<(ToNew, Vec<OwnedFd>)>> {
        self.channel.send(message, &[]).await.context("the process before this one is gone")?;
        Ok(self.channel.receive().await?)
    }
}

fn unexpected<T>(answer: Option<(ToNew, Vec<OwnedFd>)>) -> anyhow::Result<T> {
    match answer {
        Some((ToNew::Refused { why }, _)) => bail!("{why}"),
        Some((other, _)) => bail!("the process before this one says {other:?}"),
        None => bail!("the process before this one has ended"),
    }
}
