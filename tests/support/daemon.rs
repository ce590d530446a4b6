//! The real binary, run as an operator runs it: a command line, an empty environment, a folder.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Process, command, wait_until};
use super::server::S3Server;

/// A run that takes longer hangs.
const RUN_WITHIN: Duration = Duration::from_mins(5);

/// A temporary folder with a configuration file, `livecosmos.toml`, and whatever the test puts beside it.
pub struct Workdir {
    folder: TempDir,
}

/// Makes a folder whose `livecosmos.toml` holds `config`; its relative paths start in that folder.
pub fn workdir(config: &str) -> Workdir {
    let workdir = Workdir { folder: tempfile::tempdir().expect("a temporary folder") };
    workdir.write("livecosmos.toml", config);
    workdir
}

impl Workdir {
    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("livecosmos.toml")
    }

    /// Where the runs of this folder keep their state unless told otherwise.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes the file `name`, over what was there.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a path in the folder")).expect("a new folder");
        std::fs::write(path, contents).expect("a file in a temporary folder");
    }

    /// Sets who may do what with the file `name`.
    pub fn chmod(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).expect("a file of ours");
    }

    /// Appends to the file `name`.
    pub fn append(&self, name: &str, contents: impl AsRef<[u8]>) {
        use std::io::Write;
        let mut file =
            std::fs::File::options().append(true).create(true).open(self.path(name)).expect("a file");
        file.write_all(contents.as_ref()).expect("room for a file");
    }

    /// A command of the binary for this folder: its configuration, its state folder, its home.
    pub fn livecosmos(&self) -> Livecosmos {
        Livecosmos::new(self.folder()).arg(self.config()).arg("--state-dir").arg(self.state_dir())
    }
}

/// A command line of the binary.
#[derive(Clone, Debug)]
pub struct Livecosmos {
    home: PathBuf,
    /// A program that runs the binary, with its arguments; empty for none.
    under: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote for programs.
    pub stdout: String,
    /// What it wrote for people.
    pub stderr: String,
}

impl Livecosmos {
    /// The binary without arguments, with `home` as its home and working directory.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), under: Vec::new(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds the name of a table.
    #[must_use]
    pub fn table(self, name: &str) -> Self {
        self.arg(name)
    }

    /// Sets a variable of the otherwise empty environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives it the keys of `server`, as the standard variables.
    #[must_use]
    pub fn credentials(self, server: &S3Server) -> Self {
        self.env("AWS_ACCESS_KEY_ID", server.access_key())
            .env("AWS_SECRET_ACCESS_KEY", server.secret_key())
            .env("AWS_REGION", super::server::REGION)
    }

    /// Lets `program`, such as a tracer, run the binary.
    #[must_use]
    pub fn under(mut self, program: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.under = program.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.spawn().wait()
    }

    /// Starts it. It is killed when the returned value is dropped or the calling thread ends.
    pub fn spawn(&self) -> Running {
        let outputs = tempfile::tempdir().expect("a temporary folder");
        let words = self.under.iter().map(OsString::as_os_str);
        let mut words = words.chain([OsStr::new(env!("CARGO_BIN_EXE_livecosmos"))]);
        let mut command = command(Path::new(words.next().expect("the binary at least")));
        command
            .args(words)
            .args(&self.arguments)
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/bin:/bin")
            // No test may ask the network for credentials.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let (stdout, stderr) = (outputs.path().join("stdout"), outputs.path().join("stderr"));
        let process = Process::spawn_split("livecosmos", &mut command, &stdout, &stderr);
        Running { process, stdout, stderr, outputs }
    }
}

/// A started binary.
pub struct Running {
    process: Process,
    stdout: PathBuf,
    stderr: PathBuf,
    /// Held so that the two files live as long as the process.
    #[expect(dead_code, reason = "kept for its drop")]
    outputs: TempDir,
}

impl Running {
    /// The process id, for instance to look into `/proc`.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// True until it ends.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().is_none()
    }

    /// Asks it to end, as `systemctl stop` does.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::TERM);
    }

    /// Sends any signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills it where it stands (`kill -9`) and returns how far it had come.
    pub fn kill(mut self) -> Output {
        let status = self.process.kill();
        self.output(status)
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let status = self.process.wait(RUN_WITHIN);
        self.output(status)
    }

    /// Waits for its end, or kills it after `deadline` and returns how far it had come as the error.
    pub fn wait_within(mut self, deadline: Duration) -> Result<Output, Output> {
        match self.process.ended_within(deadline) {
            Some(status) => Ok(self.output(status)),
            None => Err(self.kill()),
        }
    }

    /// Waits until it has written `text` to stderr; panics with all it wrote if it ends before.
    pub fn wait_for_stderr(&mut self, text: &str, deadline: Duration) {
        let what = format!("{text:?} on the daemon's stderr");
        wait_until(&what, deadline, || {
            // Asked first: what it wrote before it ended is then seen by the read that follows.
            let running = self.is_running();
            let stderr = self.stderr();
            let seen = stderr.contains(text);
            assert!(seen || running, "the daemon ended without writing {text:?}; it wrote:\n{stderr}");
            seen.then_some(())
        });
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    fn output(&self, status: ExitStatus) -> Output {
        Output { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Output {
    /// Panics with both outputs unless it ended with `code`; gives itself back otherwise.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
