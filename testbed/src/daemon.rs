//! The programs under test, running.

use crate::error::{Doing, LabError, Result};
use packet_io::netns::NetNs;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take until it says `ready`.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(15);
/// How much of a log is shown when something goes wrong.
const LAST_LINES: usize = 20;

/// One running `iv` or `vis`.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    /// What starts it again in a lab that stays.
    again: String,
    program: PathBuf,
    arguments: Vec<String>,
    socket: PathBuf,
    log: PathBuf,
    netns: NetNs,
    child: Child,
    /// How often its log said `ready` before it was started.
    ready_before: usize,
}

impl Daemon {
    /// Starts `program run` on that host, in its namespace, with the given file, and waits until it says
    /// `ready`.
    ///
    /// # Errors
    /// It ends, or says nothing for 15 seconds.
    pub(crate) fn start(
        host: &str,
        program: &Path,
        netns: &NetNs,
        file: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let mut daemon = Self::begin(host, program, netns, file, folder)?;
        daemon.ready(READY_WITHIN)?;
        Ok(daemon)
    }

    /// The same without waiting: [`Daemon::ready`] does.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn begin(
        host: &str,
        program: &Path,
        netns: &NetNs,
        file: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let kind = program.file_name().unwrap_or_default().to_string_lossy();
        let socket = folder.join(format!("{kind}.sock"));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let arguments = vec![
            "run".to_owned(),
            "--config".to_owned(),
            text(file),
            "--socket".to_owned(),
            text(&socket),
        ];
        let netns = netns.try_clone().doing("hold a namespace")?;
        let log = folder.join(format!("{kind}.log"));
        let ready_before = times_ready(&fs::read_to_string(&log).unwrap_or_default());
        let child = spawn(program, &arguments, &netns, &log)?;
        Ok(Self {
            name: format!("{kind} of {host}"),
            again: format!(
                "cargo lab exec {host} {kind} run --config {}",
                file.display()
            ),
            program: program.to_owned(),
            arguments,
            socket,
            log,
            netns,
            child,
            ready_before,
        })
    }

    /// Waits until it has said `ready`.
    ///
    /// # Errors
    /// It ends, or does not say so for so long.
    pub(crate) fn ready(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            if times_ready(&self.read_log()) > self.ready_before {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().doing("look after a daemon")? {
                return Err(self.failed(format!("ended at its start ({status})")));
            }
            if Instant::now() > end {
                return Err(self.failed(format!("was not ready in {} s", within.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All it has said so far.
    pub(crate) fn read_log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn failed(&self, what: String) -> LabError {
        let log = self.read_log();
        let skip = log.lines().count().saturating_sub(LAST_LINES);
        let log: Vec<_> = log.lines().skip(skip).collect();
        LabError::Daemon {
            name: self.name.clone(),
            what,
            log: log.join("\n"),
        }
    }

    /// Fails if the daemon has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait().doing("look after a daemon")? {
            None => Ok(()),
            Some(status) => Err(self.failed(format!("has ended ({status})"))),
        }
    }

    /// If it has ended by itself: a sentence that says so, and what starts it again in a lab that stays.
    ///
    /// # Errors
    /// The system does not know.
    pub(crate) fn obituary(&mut self) -> Result<Option<String>> {
        let Some(status) = self.child.try_wait().doing("look after a daemon")? else {
            return Ok(None);
        };
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("signal {signal}"),
            (None, code) => format!("exit code {}", code.unwrap_or_default()),
        };
        let (name, again) = (&self.name, &self.again);
        Ok(Some(format!(
            "{name} has ended ({how}); start it again with: {again}"
        )))
    }

    /// What the kernel knows of its process: a folder of `/proc`.
    pub(crate) fn process(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }

    /// Ends it as a person would, and waits until it has cleared up.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) fn stop(&mut self, within: Duration) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .doing(format!("end {}", self.name))?;
        let end = Instant::now() + within;
        while self
            .child
            .try_wait()
            .doing("look after a daemon")?
            .is_none()
        {
            if Instant::now() > end {
                return Err(self.failed(format!("did not end in {} s", within.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Where it answers.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Kills it without a word, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().doing(format!("kill {}", self.name))?;
        self.child
            .wait()
            .doing(format!("wait for {}", self.name))
            .map(|_| ())
    }

    /// The same, without waiting until it is gone.
    pub(crate) fn begin_to_kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(&mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(std::io::Error::from)
            .doing(format!("end {}", self.name))?;
        let status = self.child.wait().doing(format!("wait for {}", self.name))?;
        match status.success() {
            true => Ok(()),
            false => Err(self.failed(format!("was told to end and did it badly ({status})"))),
        }
    }

    /// Starts it again after [`Daemon::kill`] or [`Daemon::end`].
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.ready_before = times_ready(&self.read_log());
        self.child = spawn(&self.program, &self.arguments, &self.netns, &self.log)?;
        self.ready(READY_WITHIN)
    }

    /// What `PROGRAM WORDS` prints, asked of this daemon.
    ///
    /// # Errors
    /// It refuses; its own words are in the error.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<String> {
        self.check_alive()?;
        let asked = self.asker()(words);
        asked.map_err(|error| self.failed(error.to_string()))
    }

    /// The same, for several threads at the same time.
    pub(crate) fn asker(&self) -> impl Fn(&[&str]) -> Result<String> + Sync + use<> {
        let (program, socket) = (self.program.clone(), self.socket.clone());
        move |words| {
            let mut command = Command::new(&program);
            command.args(words).arg("--socket").arg(&socket);
            let output = command
                .stdin(Stdio::null())
                .output()
                .doing(format!("run {}", program.display()))?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let words = words.join(" ");
            Err(LabError::Check(format!("did not do `{words}`: {said}")))
        }
    }

    /// What `PROGRAM show WORDS` prints.
    ///
    /// # Errors
    /// The daemon does not answer, or refuses the words.
    pub(crate) fn show(&mut self, words: &[&str]) -> Result<String> {
        let mut all = vec!["show"];
        all.extend_from_slice(words);
        self.ask(&all)
    }

    /// The same as JSON.
    ///
    /// # Errors
    /// Also when the answer is no JSON.
    pub(crate) fn show_json(&mut self, words: &[&str]) -> Result<serde_json::Value> {
        let mut all = words.to_vec();
        all.push("--json");
        let text = self.show(&all)?;
        serde_json::from_str(&text).map_err(|error| LabError::Answer {
            program: format!("{} show {}", self.program.display(), all.join(" ")),
            detail: error.to_string(),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; the sandbox's end would end it too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often a log says that its daemon is ready.
fn times_ready(log: &str) -> usize {
    log.lines().filter(|line| line.contains("ready")).count()
}

fn spawn(program: &Path, arguments: &[String], netns: &NetNs, log: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .doing(format!("write {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(log.try_clone().doing("share a log")?)
        .stderr(log);
    spawn_in(netns, &mut command)
}

/// Starts a command in a namespace: a child begins where the thread that starts it is.
///
/// # Errors
/// The program is not there, or the namespace cannot be entered.
pub(crate) fn spawn_in(netns: &NetNs, command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    netns
        .run(|| command.spawn())
        .doing("enter a namespace to start a program")?
        .doing(format!("start {program}"))
}
