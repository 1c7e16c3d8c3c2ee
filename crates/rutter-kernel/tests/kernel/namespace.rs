//! A network namespace of a test's own: it goes with the thread that made it.

use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::thread::UnshareFlags;

/// Runs `test` in a namespace with two veth pairs: `up0` 10.0.0.1/24 and 2001:db8::1/64, `up1`
/// 10.0.1.1/24 and 2001:db8:1::1/64. Without the right to make one it says so and does nothing.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        if !unshare() {
            println!("skipped: this user may not make network namespaces");
            return;
        }
        ip("link set lo up");
        for n in 0..2 {
            ip(&format!("link add up{n} type veth peer name far{n}"));
            ip(&format!("link set up{n} up"));
            ip(&format!("link set far{n} up"));
            ip(&format!("address add 10.0.{n}.1/24 dev up{n}"));
            ip(&format!("-6 address add {} dev up{n} nodad", v6(n)));
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// As [`in_namespace`], on a runtime of the namespace's thread: sockets and threads are in it.
pub(crate) fn in_namespace_async<F: Future<Output = ()>>(
    test: impl FnOnce() -> F + Send + 'static,
) {
    in_namespace(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
}

/// A second host: a thread in another namespace, which does what it is told. It goes when it is
/// dropped.
pub(crate) struct Host {
    jobs: Option<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
    /// A path that names its namespace.
    path: String,
}

impl Host {
    /// A host with nothing but a loopback.
    pub(crate) fn new() -> Self {
        let (jobs, told) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (tell_path, path) = mpsc::channel();
        let thread = thread::spawn(move || {
            assert!(unshare(), "a second namespace where the first could be made");
            let thread = rustix::thread::gettid().as_raw_nonzero();
            let path = format!("/proc/{}/task/{thread}/ns/net", std::process::id());
            tell_path.send(path).unwrap();
            ip("link set lo up");
            for job in told {
                job();
            }
        });
        let path = path.recv().unwrap();
        Self { jobs: Some(jobs), thread: Some(thread), path }
    }

    /// Moves a link of this thread's namespace there.
    pub(crate) fn take(&self, link: &str) {
        ip(&format!("link set {link} netns {}", self.path));
    }

    /// Does something there, and waits for it.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, done) = mpsc::channel();
        let job = Box::new(move || drop(tell.send(job())));
        self.jobs.as_ref().unwrap().send(job).unwrap();
        done.recv().unwrap()
    }

    /// Runs `ip` there; returns what it printed.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A job that failed has told so already.
            drop(thread.join());
        }
    }
}

fn v6(n: usize) -> &'static str {
    ["2001:db8::1/64", "2001:db8:1::1/64"][n]
}

fn unshare() -> bool {
    // Deprecated because of flags other than this one, which share file descriptors no more.
    #[expect(deprecated)]
    rustix::thread::unshare(UnshareFlags::NEWNET).is_ok()
}

/// Runs `ip` in the namespace of this thread; returns what it printed.
pub(crate) fn ip(arguments: &str) -> String {
    let (done, out) = try_run("ip", arguments);
    assert!(done, "ip {arguments}: {out}");
    out
}

/// As [`ip`], but a failure is an answer too.
pub(crate) fn try_ip(arguments: &str) -> (bool, String) {
    try_run("ip", arguments)
}

/// Runs `bridge` in the namespace of this thread; returns what it printed.
pub(crate) fn bridge(arguments: &str) -> String {
    let (done, out) = try_run("bridge", arguments);
    assert!(done, "bridge {arguments}: {out}");
    out
}

fn try_run(program: &str, arguments: &str) -> (bool, String) {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = text(&output.stdout) + &text(&output.stderr);
    (output.status.success(), out)
}

/// The lines of what `ip` printed, white space as single blanks.
pub(crate) fn lines(out: &str) -> Vec<String> {
    let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty() && !line.contains("does not exist")).collect()
}
