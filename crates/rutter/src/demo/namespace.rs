//! A network namespace that a thread of this process holds: it goes with the process, however that
//! ends, so nothing is ever left behind.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, bail};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// See the module's head.
pub(crate) struct Namespace {
    file: File,
    /// The thread that holds it, which names it for `ip link set ... netns`.
    thread: i32,
    /// Dropped, it lets the thread go.
    _hold: Sender<()>,
}

impl Namespace {
    /// A new one, with loopback up.
    ///
    /// # Errors
    /// This user may not make any, or there is no `ip`.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (tell, told) = channel();
        let (hold, held) = channel::<()>();
        thread::spawn(move || {
            let made = make();
            let good = made.is_ok();
            // Whoever asked waits for this, unless the process ends.
            if tell.send(made).is_ok() && good {
                // An error, when the namespace isn't needed any more.
                let _let_go = held.recv();
            }
        });
        let (file, thread) = told.recv().context("the thread of a namespace")??;
        let namespace = Self { file, thread, _hold: hold };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// What names it for `ip`.
    pub(crate) fn id(&self) -> i32 {
        self.thread
    }

    /// Runs `f` on a thread that is in it, as are the processes that it starts.
    ///
    /// # Errors
    /// It can't be entered.
    pub(crate) fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> anyhow::Result<R> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                enter(&self.file)?;
                anyhow::Ok(f())
            });
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs a program in it; whether it went well, and the lines that it printed, white space as
    /// single blanks.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &str,
    ) -> anyhow::Result<(bool, Vec<String>)> {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace());
        let output = self.enter(move || command.output())?;
        let output = output.with_context(|| format!("`{program}` can't be started"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let out = text(&output.stdout) + &text(&output.stderr);
        let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        Ok((output.status.success(), lines.filter(|line| !line.is_empty()).collect()))
    }

    /// Runs `ip` in it; what it printed.
    ///
    /// # Errors
    /// It can't be started, or it fails.
    pub(crate) fn ip(&self, arguments: &str) -> anyhow::Result<Vec<String>> {
        match self.run("ip", arguments)? {
            (true, lines) => Ok(lines),
            (false, lines) => bail!("ip {arguments}: {}", lines.join(" ")),
        }
    }

    /// Writes a setting of the kernel, such as `ipv4/ip_forward`.
    ///
    /// # Errors
    /// The kernel has no such setting, or doesn't take it.
    pub(crate) fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let path = format!("/proc/sys/net/{name}");
        self.enter(|| std::fs::write(&path, value))?.with_context(|| path.clone())
    }
}

fn make() -> anyhow::Result<(File, i32)> {
    // Deprecated because of flags other than this one, which share file descriptors no more.
    #[expect(deprecated)]
    let made = rustix::thread::unshare(UnshareFlags::NEWNET);
    made.context("this user may not make network namespaces: it takes root")?;
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    Ok((File::open(format!("/proc/self/task/{thread}/ns/net"))?, thread))
}

fn enter(namespace: &File) -> anyhow::Result<()> {
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
        .context("a namespace can't be entered")
}
