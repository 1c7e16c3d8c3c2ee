//! A network namespace of a test's own: it goes with the thread that made it.

use std::process::Command;
use std::thread;

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
    let (done, out) = try_ip(arguments);
    assert!(done, "ip {arguments}: {out}");
    out
}

/// As [`ip`], but a failure is an answer too.
pub(crate) fn try_ip(arguments: &str) -> (bool, String) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = text(&output.stdout) + &text(&output.stderr);
    (output.status.success(), out)
}

/// The lines of what `ip` printed, white space as single blanks.
pub(crate) fn lines(out: &str) -> Vec<String> {
    let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty() && !line.contains("does not exist")).collect()
}
