//! A process of the program in a directory of its own, and what is asked of it.

pub(crate) mod heir;
pub(crate) mod origin;
pub(crate) mod visit;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long anything may take before a test has failed; machines that test are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program with arguments, and nothing of this process's environment that it reads.
pub(crate) fn rutter(arguments: &[&str]) -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_rutter")), arguments)
}

pub(crate) fn program(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    let read = ["RUTTER_DATA", "RUTTER_URL", "RUTTER_TOKEN", "RUTTER_CA", "RUTTER_JOIN"];
    let foreign = ["PROVIDER", "BACKEND_URL", "SERVER_DOMAIN", "CACHE_TTL", "DEFAULT_BACKEND"];
    let gateways = ["RUTTER_API", "RUTTER_READ_TOKEN_FILE", "BACKEND_CA_PIN"];
    for name in read.into_iter().chain(foreign).chain(gateways).chain(["RUST_LOG", "XDG_DATA_HOME"])
    {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn ends(arguments: &[&str]) -> Output {
    rutter(arguments).output().expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that goes on until it is ended, at the latest with the test.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (tell, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("a pipe")),
            Box::new(child.stderr.take().expect("a pipe")),
        ];
        for stream in streams {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, seen: String::new() }
    }

    /// Waits until it has said `word`, and returns that line.
    pub(crate) fn says(&mut self, word: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                    if line.contains(word) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{word}` in time:\n{}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("no `{word}`:\n{}", self.seen),
            }
        }
    }

    /// What it has said until now.
    pub(crate) fn said(&mut self) -> &str {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        &self.seen
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "it doesn't end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.end()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.end();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        if self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}

/// A controller and a gateway on free ports.
pub(crate) struct Up {
    pub(crate) process: Running,
    pub(crate) data: PathBuf,
    dir: tempfile::TempDir,
}

impl Up {
    /// As `rutter up`.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::start_in(dir, &[])
    }

    pub(crate) fn start_in(dir: tempfile::TempDir, more: &[&str]) -> Self {
        Self::start_with(dir, more, &[])
    }

    pub(crate) fn start_with(
        dir: tempfile::TempDir,
        more: &[&str],
        environment: &[(&str, &Path)],
    ) -> Self {
        let data = dir.path().join("data");
        let process = Running::start(
            up(&data, more).env_remove("NOTIFY_SOCKET").envs(environment.iter().copied()),
        );
        let mut up = Self { process, data, dir };
        up.process.says("ready");
        up
    }

    /// As `rutter run` with a file, whose data is in the directory.
    pub(crate) fn run(dir: tempfile::TempDir, file: &str) -> Self {
        let data = dir.path().join("data");
        let path = dir.path().join("rutter.yaml");
        std::fs::write(&path, file).expect("a file");
        let data_text = data.to_string_lossy().into_owned();
        let path = path.to_string_lossy().into_owned();
        let mut command = rutter(&["run", "--data", &data_text, "--config", &path]);
        let mut up = Self { process: Running::start(&mut command), data, dir };
        up.process.says("ready");
        up
    }

    /// As `rutter godoxy run` on the directory, whose `.env` says where it listens.
    pub(crate) fn godoxy(dir: tempfile::TempDir, more: &[&str]) -> Self {
        let data = dir.path().join("data");
        let (folder, data_text) = (dir.path().to_string_lossy(), data.to_string_lossy());
        let mut all = vec!["godoxy", "run", &*folder, "--data", &*data_text];
        all.extend(more);
        let process = Running::start(&mut rutter(&all));
        let mut up = Self { process, data, dir };
        up.process.says("ready");
        up
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("rutter.yaml")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the process and keeps its directory.
    pub(crate) fn leave(self) -> tempfile::TempDir {
        self.dir
    }

    /// Runs a command on it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let data = self.data.to_string_lossy().into_owned();
        let mut all = vec!["--data", &data];
        all.extend(arguments);
        ends(&all)
    }

    /// Runs a command that succeeds, and reads what it prints for programs.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = vec!["--output", "json"];
        all.extend(arguments);
        let output = self.command(&all);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Runs a command that succeeds, and returns its text.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// What the process leaves for the command line.
    pub(crate) fn run_file(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.data.join("run.json")).expect("run.json");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The address of the gateway's first listener.
    pub(crate) fn gateway(&self) -> std::net::SocketAddr {
        let url = self.run_file()["gateway"][0].as_str().expect("a gateway").to_owned();
        url.rsplit('/').next().expect("an address").parse().expect("an address")
    }

    /// Starts an agent and waits until its routes stand.
    pub(crate) fn agent(&self, name: &str, services: &[&str]) -> Running {
        let join = self.json(&["tokens", "join"])["join"].as_str().expect("a line").to_owned();
        let state = self.path().join("agent").to_string_lossy().into_owned();
        let mut all = vec!["agent", "--join", &join, "--name", name, "--state", &state];
        services.iter().for_each(|service| all.extend(["--service", service]));
        let mut agent = Running::start(&mut rutter(&all));
        services.iter().for_each(|_| {
            agent.says("registered ");
        });
        agent
    }
}

/// `rutter up` on free ports.
pub(crate) fn up(data: &Path, more: &[&str]) -> Command {
    let data = data.to_string_lossy().into_owned();
    let mut all = vec!["up", "--data", &data];
    for port in ["--api-port", "--http-port", "--link-port", "--mesh-router-port"] {
        if !more.contains(&port) {
            all.extend([port, "0"]);
        }
    }
    all.extend(more);
    rutter(&all)
}
