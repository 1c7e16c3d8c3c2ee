//! How the command line reaches the running process: a Unix socket in the data directory.
//!
//! What goes over it concerns this process, its file and its directory (a reload, a copy of the
//! registry, a hand-over), so it isn't part of the API, which is the controller's and may be asked
//! from anywhere. Who may open the data directory, mode 0700, may ask. One line of JSON each way; a
//! line is 4 KiB at most, one asker is heard at a time, and has 10 s to say what it wants, so that
//! nobody who hangs keeps the others out.
//!
//! The socket itself is one of those that a hand-over passes on ([`handover`](super::handover)): its
//! name in the directory never goes, and who asks meanwhile is answered by the successor.

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rutter_registry::DataDir;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::handover::{READY_WITHIN, Upgraded};
use super::reload::Reloaded;

const SOCKET: &str = "control.sock";
const MAX_LINE: u64 = 4096;
/// The longest answer: a difference of every key.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;
const HEARD_FOR: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Asked {
    /// Read the file again.
    Reload {
        /// Only say what would change.
        dry_run: bool,
    },
    /// Copy the registry beside itself.
    Snapshot {},
    /// Hand over to another program.
    Upgrade {
        /// Which; the one that runs, as it lies there now, unless named.
        binary: Option<PathBuf>,
    },
}

impl Asked {
    /// How long whoever asks waits for the answer.
    fn patience(&self) -> Duration {
        match self {
            Self::Reload { .. } => HEARD_FOR,
            // As large as the registry is.
            Self::Snapshot {} => Duration::from_secs(3600),
            Self::Upgrade { .. } => 2 * READY_WITHIN,
        }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// To a reload.
    Reloaded(Reloaded),
    /// Where the copy is, which is the asker's to remove.
    Snapshot(PathBuf),
    /// Who has taken over.
    Upgraded(Upgraded),
    /// To whatever can't be done.
    Error(String),
}

/// Somebody asks for something.
pub(super) struct Request {
    pub(super) asked: Asked,
    pub(super) answer: Answer,
}

/// Where an answer goes.
pub(super) struct Answer(oneshot::Sender<Said>);

impl Answer {
    pub(super) fn give<T>(self, answer: anyhow::Result<T>, said: impl FnOnce(T) -> Said) {
        let said = match answer {
            Ok(done) => said(done),
            Err(error) => Said::Error(format!("{error:#}")),
        };
        // Whoever asked may be gone.
        drop(self.0.send(said));
    }
}

/// The socket.
pub(super) struct Control {
    requests: mpsc::Receiver<Request>,
    /// Once more, so that another process can have it.
    socket: std::os::unix::net::UnixListener,
    /// `None` when it is another's to remove.
    path: Option<PathBuf>,
    /// Ends the accepting; who was accepted is still answered.
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens it, or goes on with one that was passed on; without it the program runs, and signals
    /// still work.
    pub(super) fn open(dir: &DataDir, inherited: Option<OwnedFd>) -> Option<Self> {
        let path = dir.file(SOCKET);
        let socket = match inherited {
            Some(socket) => Ok(socket.into()),
            None => bind(&path),
        };
        match socket.and_then(|socket| Self::listen(socket, path.clone())) {
            Ok(control) => Some(control),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "`rutter reload` won't work: use SIGHUP");
                None
            }
        }
    }

    fn listen(socket: std::os::unix::net::UnixListener, path: PathBuf) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket.try_clone()?)?;
        let (asked, requests) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen(listener, asked, stop.clone()));
        Ok(Self { requests, socket, path: Some(path), stop, task })
    }

    /// The socket, once more.
    pub(super) fn socket(&self) -> std::io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    /// Accepts nobody until [`Control::resume`]; they wait in the socket's queue.
    pub(super) fn pause(&self) {
        self.stop.cancel();
    }

    /// Accepts again.
    pub(super) fn resume(self) -> std::io::Result<Self> {
        let mut control = self;
        let again = control.socket.try_clone()?;
        let path = control.path.take();
        Self::listen(again, path.unwrap_or_default())
    }

    /// Lets the last answer be written, and leaves the socket's name to whoever has it now.
    pub(super) async fn leave(mut self) {
        self.path = None;
        self.stop.cancel();
        if timeout(HEARD_FOR, &mut self.task).await.is_err() {
            tracing::debug!("the last answer on the control socket wasn't taken");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(path) = &self.path
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "the control socket");
        }
    }
}

fn bind(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    // The directory is locked, so what is there is left over from a crash.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = std::os::unix::net::UnixListener::bind(path)?;
    // Whatever the umask and the directory's mode are.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// The next request; for ever without a socket.
pub(super) async fn next(control: &mut Option<Control>) -> Request {
    if let Some(control) = control
        && let Some(request) = control.requests.recv().await
    {
        return request;
    }
    std::future::pending().await
}

async fn listen(listener: UnixListener, asked: mpsc::Sender<Request>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if let Err(error) = hear(stream, &asked).await {
                    tracing::debug!(%error, "on the control socket");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn hear(stream: UnixStream, asked: &mpsc::Sender<Request>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_LINE));
    timeout(HEARD_FOR, read.read_line(&mut line)).await.context("it says nothing")??;
    let said = match serde_json::from_str::<Asked>(&line) {
        Ok(wanted) => {
            let (answer, answered) = oneshot::channel();
            asked.send(Request { asked: wanted, answer: Answer(answer) }).await?;
            answered.await?
        }
        Err(error) => Said::Error(format!("not a request: {error}")),
    };
    let mut line = serde_json::to_vec(&said)?;
    line.push(b'\n');
    Ok(timeout(HEARD_FOR, write.write_all(&line)).await.context("it doesn't listen")??)
}

/// Asks the process that holds a data directory.
///
/// # Errors
/// Nobody there, and what it says.
pub(crate) async fn ask(data: &Path, asked: Asked) -> anyhow::Result<Said> {
    let path = data.join(SOCKET);
    let stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no rutter runs with its data in {}: start one, or name its directory with --data",
            data.display()
        )
    })?;
    let exchange = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(&asked)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(read.take(MAX_ANSWER)).read_line(&mut answer).await?;
        if answer.is_empty() {
            bail!("it has ended without an answer, see its log");
        }
        anyhow::Ok(serde_json::from_str::<Said>(&answer)?)
    };
    match timeout(asked.patience(), exchange).await.context("it doesn't answer")?? {
        Said::Error(error) => bail!("{error}"),
        said => Ok(said),
    }
}
