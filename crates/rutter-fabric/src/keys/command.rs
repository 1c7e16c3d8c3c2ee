//! Running somebody else's program: its output is bounded, and so is its time.
//!
//! It is started without a shell, in a process group of its own, which is killed when the time is up
//! or nobody waits any more: what it started in turn goes with it.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// How much of what it says on its standard error is repeated.
const MAX_COMPLAINT: u64 = 512;

/// Runs `command` with `input` on its standard input, and gives what it prints.
///
/// # Errors
/// For people: it can't be started, ends with an error, prints more than `limit` bytes, or takes
/// longer than `at_most`.
pub(super) async fn run(
    command: &[String],
    input: &[u8],
    limit: usize,
    at_most: Duration,
) -> Result<Vec<u8>, String> {
    let (program, arguments) = command.split_first().ok_or("no command is given")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("`{program}` can't be started: {error}"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that doesn't read its input closes it, and may still know what to say.
            let _ = stdin.write_all(input).await;
        }
    };
    let all = async {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let (_, output, complaint) =
            tokio::join!(write, bounded(stdout, limit + 1), bounded(stderr, MAX_COMPLAINT));
        if u64::try_from(output.len()).unwrap_or(u64::MAX) > limit {
            return Err(format!("`{program}` prints more than {limit} bytes"));
        }
        let status = child.wait().await.map_err(|error| format!("`{program}`: {error}"))?;
        // Its number may be another's by now.
        group.0 = None;
        if status.success() {
            return Ok(output);
        }
        let complaint = String::from_utf8_lossy(&complaint);
        let first = complaint.lines().next().unwrap_or_default().trim();
        Err(format!("`{program}` ended with {status}: {first}"))
    };
    match tokio::time::timeout(at_most, all).await {
        Ok(done) => done,
        Err(_) => Err(format!("`{program}` didn't end within {} s", at_most.as_secs_f32())),
    }
}

/// At most `limit` bytes of it; what comes after is read and thrown away, so that nobody is hurt by
/// a closed pipe.
async fn bounded(from: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What was read before an error is what there is.
        let _ = (&mut from).take(limit).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    bytes
}

/// A process group that is killed when this goes, unless its head has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
