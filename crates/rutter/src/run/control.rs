//! How the command line reaches the running process: a Unix socket in the data directory.
//!
//! What goes over it concerns this process and its file (a reload), so it isn't part of the API,
//! which is the controller's and may be asked from anywhere. Who may open the data directory, mode
//! 0700, may ask. One line of JSON each way; a line is 4 KiB at most, and one asker is heard at a
//! time for 10 s at most, so that nobody who hangs keeps the others out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rutter_registry::DataDir;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::reload::Reloaded;

const SOCKET: &str = "control.sock";
const MAX_LINE: u64 = 4096;
/// The longest answer: a difference of every key.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;
const HEARD_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    reload: AskedReload,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedReload {
    dry_run: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Reloaded(Reloaded),
    Error(String),
}

/// Somebody asks for a reload.
pub(super) struct Request {
    pub(super) dry_run: bool,
    answer: oneshot::Sender<Said>,
}

impl Request {
    pub(super) fn answer(self, answer: anyhow::Result<Reloaded>) {
        let said = match answer {
            Ok(reloaded) => Said::Reloaded(reloaded),
            Err(error) => Said::Error(format!("{error:#}")),
        };
        // Whoever asked may be gone.
        drop(self.answer.send(said));
    }
}

/// The socket.
pub(super) struct Control {
    requests: mpsc::Receiver<Request>,
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Opens it; without it the program runs, and SIGHUP still reloads.
    pub(super) async fn open(dir: &DataDir) -> Option<Self> {
        let path = dir.file(SOCKET);
        // The directory is locked, so what is there is left over from a crash.
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "`rutter reload` won't work");
            return None;
        }
        let listener = match UnixListener::bind(&path) {
            Ok(listener) => listener,
            Err(error) => {
                let path = path.display();
                tracing::warn!(%error, %path, "`rutter reload` won't work: use SIGHUP");
                return None;
            }
        };
        // Whatever the umask and the directory's mode are.
        if let Err(error) = std::fs::set_permissions(&path, Permissions::from_mode(0o600)) {
            tracing::warn!(%error, path = %path.display(), "`rutter reload` won't work");
            return None;
        }
        let (asked, requests) = mpsc::channel(1);
        let task = tokio::spawn(listen(listener, asked));
        Some(Self { requests, path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket");
        }
    }
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

async fn listen(listener: UnixListener, asked: mpsc::Sender<Request>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match timeout(HEARD_FOR, hear(stream, &asked)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "on the control socket"),
                Err(_) => tracing::debug!("somebody on the control socket took too long"),
            },
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
    BufReader::new(read.take(MAX_LINE)).read_line(&mut line).await?;
    let said = match serde_json::from_str::<Asked>(&line) {
        Ok(Asked { reload }) => {
            let (answer, answered) = oneshot::channel();
            asked.send(Request { dry_run: reload.dry_run, answer }).await?;
            answered.await?
        }
        Err(error) => Said::Error(format!("not a request: {error}")),
    };
    let mut line = serde_json::to_vec(&said)?;
    line.push(b'\n');
    Ok(write.write_all(&line).await?)
}

/// Asks the process that holds a data directory to read its file again.
///
/// # Errors
/// Nobody there, and what it says.
pub(crate) async fn ask(data: &Path, dry_run: bool) -> anyhow::Result<Reloaded> {
    let path = data.join(SOCKET);
    let stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no rutter runs with its data in {}: start one, or name its directory with --data",
            data.display()
        )
    })?;
    let exchange = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(&Asked { reload: AskedReload { dry_run } })?;
        line.push(b'\n');
        write.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(read.take(MAX_ANSWER)).read_line(&mut answer).await?;
        anyhow::Ok(serde_json::from_str::<Said>(&answer)?)
    };
    match timeout(HEARD_FOR, exchange).await.context("it doesn't answer")?? {
        Said::Reloaded(reloaded) => Ok(reloaded),
        Said::Error(error) => bail!("{error}"),
    }
}
