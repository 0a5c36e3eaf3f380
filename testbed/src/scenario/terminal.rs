//! `vis shell` as somebody at a terminal has it: keys go in, and what stands on the screen is looked at.

use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const VIS: &str = "hostname vis-1\ninterface ethernet 1\n  device p1\n";
/// Lines and columns.
const SIZE: (NonZeroU16, NonZeroU16) = (vt100::Parser::DEFAULT_ROWS, vt100::Parser::DEFAULT_COLS);
const WITHIN: Duration = Duration::from_secs(10);
/// In which nothing more comes.
const SILENCE: Duration = Duration::from_millis(300);

/// A shell on a terminal of 24 lines.
struct Terminal {
    child: Child,
    keys: File,
    screen: vt100::Parser,
    /// Whatever came, with its colours.
    raw: Vec<u8>,
}

impl Terminal {
    fn open(binaries: &Binaries, socket: &Path, home: &Path) -> Result<Self> {
        let doing = || "open a terminal".to_owned();
        let keys =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).doing(doing())?;
        grantpt(&keys).doing(doing())?;
        unlockpt(&keys).doing(doing())?;
        let far = ioctl_tiocgptpeer(
            &keys,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        );
        let far = File::from(far.doing(doing())?);
        let (rows, columns) = SIZE;
        let size = Winsize {
            ws_row: rows.get(),
            ws_col: columns.get(),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&far, size).doing(doing())?;
        // It makes the terminal its child's own, so that Ctrl-C reaches it.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(binaries.path("vis"))
            .args(["shell", "--socket"])
            .arg(socket)
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .stdin(far.try_clone().doing(doing())?)
            .stdout(far.try_clone().doing(doing())?)
            .stderr(far);
        let child = command.spawn().doing("start vis")?;
        rustix::fs::fcntl_setfl(&keys, OFlags::NONBLOCK | OFlags::RDWR).doing(doing())?;
        Ok(Self {
            child,
            keys: File::from(keys),
            screen: vt100::Parser::new(rows, columns, 0),
            raw: Vec::new(),
        })
    }

    /// Takes what has come; false: nothing came for so long, or the other end is gone.
    fn take(&mut self, patience: Duration) -> Result<bool> {
        let patience = Timespec::try_from(patience).unwrap_or_default();
        let mut ready = [PollFd::new(&self.keys, PollFlags::IN)];
        poll(&mut ready, Some(&patience)).doing("wait for the shell")?;
        let mut octets = [0; 4096];
        let Ok(length @ 1..) = self.keys.read(&mut octets) else {
            return Ok(false);
        };
        let octets = octets.get(..length).unwrap_or_default();
        self.screen.process(octets);
        self.raw.extend_from_slice(octets);
        Ok(true)
    }

    /// The screen's lines down to the one with the cursor.
    fn lines(&self) -> Vec<String> {
        let screen = self.screen.screen();
        let (row, _) = screen.cursor_position();
        let rows = screen.rows(0, SIZE.1.get()).take(usize::from(row) + 1);
        rows.map(|line| line.trim_end().to_owned()).collect()
    }

    /// Types, and waits until the line with the cursor is this one and nothing more comes; the lines above it.
    fn type_until(&mut self, keys: &str, last: &str) -> Result<String> {
        self.keys.write_all(keys.as_bytes()).doing("type")?;
        let end = Instant::now() + WITHIN;
        loop {
            let more = self.take(SILENCE)?;
            let mut lines = self.lines();
            if !more && lines.pop().as_deref() == Some(last) {
                return Ok(lines.join("\n"));
            }
            check(Instant::now() < end, || {
                format!(
                    "after {keys:?} the screen never ended with `{last}`:\n{}",
                    self.lines().join("\n")
                )
            })?;
        }
    }

    /// The same; something must stand above it.
    fn see(&mut self, keys: &str, above: &str, last: &str) -> Result<()> {
        let shown = self.type_until(keys, last)?;
        check(shown.contains(above), || {
            format!("after {keys:?} there is no `{above}`:\n{shown}")
        })
    }

    /// Types what ends the shell.
    fn leave(mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes()).doing("type")?;
        while self.take(SILENCE)? {}
        let ended = self.child.wait().doing("wait for the shell")?;
        check(ended.success(), || format!("the shell ended with {ended}"))
    }
}

/// Types, pastes, breaks off, and looks at the screen.
pub(super) fn terminal(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "a"] {
        lab.add_host(name)?;
    }
    lab.cable(("a", "eth0"), ("vis", "p1"))?;
    lab.start("vis", "vis", VIS)?;
    let socket = lab.daemon("vis")?.socket().to_owned();
    let home = socket.with_extension("home");
    std::fs::create_dir(&home).doing("make a home")?;

    let mut shell = Terminal::open(binaries, &socket, &home)?;
    let (exec, config, profile) = ("vis-1#", "vis-1(config)#", "vis-1(config-port-prof)#");
    shell.see("", "TAB completes", exec)?;
    shell.see("sh\tver\t\r", "vis-1# show version\n", exec)?;
    shell.type_until("conf\t\r", config)?;
    shell.type_until("port-prof\tweb\r", profile)?;
    let offered = "vis-1(config-port-prof)# switchport";
    shell.see("switchport ?", "access", offered)?;
    shell.type_until("acc\tvlan 10\r", profile)?;
    report.figure("TAB, abbreviations and `?`", "complete and explain");

    let shown = shell.type_until("switchport acess vlan 10\r", profile)?;
    let mark = format!("{:1$}^", "", "vis-1(config-port-prof)# switchport ".len());
    check(shown.lines().any(|line| line == mark), || {
        format!("nothing points at the wrong word:\n{shown}")
    })?;
    let yellow = shell.raw.windows(5).any(|octets| octets == b"\x1b[33m");
    check(yellow, || "a refusal is in no colour".to_owned())?;
    shell.type_until(
        "\x1b[A",
        "vis-1(config-port-prof)# switchport acess vlan 10",
    )?;
    shell.type_until("\x03", profile)?;
    report.figure(
        "a wrong word",
        "is pointed at, and comes back with the arrow",
    );

    let paste = "\x1b[200~description front ends\nbananas\nshutdown\n\x1b[201~\r";
    shell.see(
        paste,
        "nothing is done with what was pasted behind it: 1 more",
        profile,
    )?;
    shell.see(
        "end\rshow port-profile web\r",
        "description front ends",
        exec,
    )?;
    report.figure("a paste with a wrong line", "ends there");

    let middle = "show vlan id\x1b[D\x1b[D\x1b[D?";
    shell.see(middle, "name", "vis-1# show vlan id")?;
    shell.type_until("\x05\x15", exec)?;
    report.figure("`?` in the middle of a line", "helps there");

    // All at once, as somebody types who does not wait for answers.
    let ahead = "show version | count\rshow vlan | count\rconfigure terminal\rvlan 77\rend\r";
    shell.type_until(ahead, exec)?;
    shell.see("show vlan id 77\r", "VLAN0077", exec)?;
    report.figure("typed ahead of five answers", "nothing is lost");

    shell.type_until("terminal length 4\r", exec)?;
    shell.type_until("show running-config\r", "--More--")?;
    shell.type_until(" ", "--More--")?;
    shell.type_until("\x03", exec)?;
    shell.see("show version | include release\r", "elease", exec)?;
    report.figure("Ctrl-C in the middle of a page", "leads back to the prompt");
    shell.leave("exit\r")?;

    let mut shell = Terminal::open(binaries, &socket, &home)?;
    shell.see("", "TAB completes", exec)?;
    shell.type_until("\x1b[A\x1b[A", "vis-1# show version | include release")?;
    report.figure(
        "what the last shell was told",
        "is in the history of the next",
    );
    // Another one at the same time, which ends first; the first ends by end of file on an empty line.
    let mut other = Terminal::open(binaries, &socket, &home)?;
    other.see("", "TAB completes", exec)?;
    other.see("show module | count\r", "show module", exec)?;
    other.leave("exit\r")?;
    shell.see("\x15show drops | count\r", "show drops", exec)?;
    shell.leave("\x04")?;
    let mut shell = Terminal::open(binaries, &socket, &home)?;
    shell.see("", "TAB completes", exec)?;
    shell.type_until("\x1b[A", "vis-1# show drops | count")?;
    let ups = "\x1b[A".repeat(2);
    shell.type_until(&ups, "vis-1# show module | count")?;
    shell.leave("\x15\x04")?;
    report.figure("of two shells at once", "both are in the history");
    lab.check_alive()
}
