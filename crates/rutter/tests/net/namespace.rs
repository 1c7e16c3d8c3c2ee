//! A network namespace of a test's own: the demonstration's, where a failure is the test's.

#[path = "../../src/demo/namespace.rs"]
mod held;

/// See the module's head.
pub(crate) struct Namespace(held::Namespace);

impl Namespace {
    /// A new one, with loopback up. `None`: this user may not make any.
    pub(crate) fn new() -> Option<Self> {
        held::Namespace::new().ok().map(Self)
    }

    /// What names it for `ip`.
    pub(crate) fn id(&self) -> i32 {
        self.0.id()
    }

    /// Runs `f` on a thread that is in it, as are the processes that it starts.
    pub(crate) fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.0.enter(f).unwrap()
    }

    /// Runs `ip` in it; returns the lines that it printed, white space as single blanks.
    pub(crate) fn ip(&self, arguments: &str) -> Vec<String> {
        self.0.ip(arguments).unwrap()
    }

    /// As [`Namespace::ip`], of any program, and a failure is an answer too.
    pub(crate) fn try_run(&self, program: &str, arguments: &str) -> (bool, Vec<String>) {
        self.0.run(program, arguments).unwrap()
    }

    /// Writes a setting of the kernel.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.0.set(name, value).unwrap();
    }
}
