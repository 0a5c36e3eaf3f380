//! A network namespace with a cable, `iv` at one end of it and a bare VIS session at the other.

mod switch;

use interface_virtualizer::show::Show;
use niv::VifId;
use packet_io::afpacket::{self, PacketOptions};
use packet_io::link::{BlockingLinks, LinkIndex, VethEnd};
use packet_io::netns::{NetNs, NetNsError};
use packet_io::port::{Port, TxFrame};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
pub(crate) use switch::Switch;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Lab {
    pub(crate) vis: Switch,
    links: BlockingLinks,
    folder: PathBuf,
    /// Of the namespace.
    inode: u64,
    guest: NetNs,
    child: Option<Child>,
}

/// Runs `body` inside a fresh network namespace, or says why it cannot.
pub(crate) fn in_a_lab(body: impl FnOnce(&mut Lab) + Send) {
    let ns = match NetNs::create() {
        Ok(ns) => ns,
        Err(error @ NetNsError::NotPermitted { .. }) => return println!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let inode = fs::File::from(ns.as_fd().try_clone_to_owned().unwrap());
    let inode = inode.metadata().unwrap().ino();
    ns.run(|| {
        let links = BlockingLinks::open().unwrap();
        lay_cable(&links);
        let folder = std::env::temp_dir().join(format!("iv-session-{inode}"));
        fs::create_dir_all(&folder).unwrap();
        let mut lab = Lab {
            vis: Switch::start("t-sw"),
            links,
            folder,
            inode,
            guest: NetNs::create().unwrap(),
            child: None,
        };
        body(&mut lab);
    })
    .unwrap();
}

fn lay_cable(links: &BlockingLinks) {
    links.run(async |links| {
        let (near, far) = (VethEnd::new("t-up"), VethEnd::new("t-sw").mtu(1600));
        links.add_veth(near, far).await.unwrap();
        let far = links.require("t-sw").await.unwrap().index;
        links.set_up(far, true).await.unwrap();
    });
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("{}", self.log());
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
        // As root the state of every namespace is in one folder.
        let ours = [format!("iv-{}-", self.inode), format!("{}-t-", self.inode)];
        for file in fs::read_dir("/run/niv").into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if ours.iter().any(|start| name.starts_with(start)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl Lab {
    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Lays a cable anew.
    pub(crate) fn cable(&self) {
        lay_cable(&self.links);
    }

    /// A file with a key that the switch does not have.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.folder.join("key");
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// Starts `iv` with a file of these lines, and waits until it has a session.
    pub(crate) fn start(&mut self, lines: &[&str]) {
        self.launch(lines);
        self.until("the session is up", |show| {
            let session = show.session.as_ref();
            session.is_some_and(|session| session.state == "up")
        });
    }

    /// Starts `iv` with a file of these lines.
    pub(crate) fn launch(&mut self, lines: &[&str]) {
        let file = self.folder.join("iv.toml");
        fs::write(&file, format!("uplink = \"t-up\"\n{}\n", lines.join("\n"))).unwrap();
        let options = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let child = Command::new(env!("CARGO_BIN_EXE_iv"))
            .arg("run")
            .arg("--config")
            .arg(file)
            .arg("--socket")
            .arg(self.folder.join("iv.sock"))
            .stderr(options.unwrap())
            .stdin(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As an administrator does.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    fn command(&self, words: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iv"));
        command
            .args(words)
            .arg("--socket")
            .arg(self.folder.join("iv.sock"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What `iv` prints.
    pub(crate) fn iv(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8(text).unwrap())
            .concat()
    }

    /// What `iv` prints and exits with.
    pub(crate) fn iv_status(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).output().unwrap();
        let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), texts.concat())
    }

    /// What `iv` prints for each name, all asked at the same time.
    pub(crate) fn iv_each(
        &self,
        names: &[String],
        words: impl Fn(&str) -> Vec<String>,
    ) -> Vec<String> {
        let each = names
            .iter()
            .map(|name| self.command(&words(name)).spawn().unwrap());
        let each: Vec<Child> = each.collect();
        let outputs = each
            .into_iter()
            .map(|child| child.wait_with_output().unwrap());
        outputs
            .map(|output| {
                [output.stdout, output.stderr]
                    .map(|text| String::from_utf8(text).unwrap())
                    .concat()
            })
            .collect()
    }

    pub(crate) fn show(&self) -> Show {
        let text = self.iv(&["show", "--json"]);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}\n{}", self.log()))
    }

    pub(crate) fn until(&self, what: &str, enough: impl Fn(&Show) -> bool) {
        self.settle(what, |lab| {
            let text = lab.iv(&["show", "--json"]);
            serde_json::from_str::<Show>(&text).is_ok_and(|show| enough(&show))
        });
    }

    pub(crate) fn settle(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !enough(self) {
            let last = || self.iv(&["show"]);
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}:\n{}\n{}",
                last(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn index(&self, device: &str) -> Option<LinkIndex> {
        let info = self.links.run(async |links| links.get(device).await);
        info.unwrap().map(|info| info.index)
    }

    pub(crate) fn carrier(&self, device: &str) -> bool {
        self.links.run(async |links| {
            let info = links.require(device).await.unwrap();
            links.set_up(info.index, true).await.unwrap();
            links.require(device).await.unwrap().carrier
        })
    }

    pub(crate) fn veth(&self, name: &str) {
        let far = format!("{name}g");
        self.links.run(async |links| {
            let (near, far) = (VethEnd::new(name), VethEnd::new(&far));
            links.add_veth(near, far).await.unwrap();
        });
    }

    pub(crate) fn delete(&self, name: &str) {
        let index = self.index(name).unwrap();
        self.links
            .run(async |links| links.delete(index).await)
            .unwrap();
    }

    /// A file that names the guests' namespace.
    pub(crate) fn guest_namespace(&self) -> String {
        let fd = self.guest.as_fd().as_raw_fd();
        format!("/proc/{}/fd/{fd}", std::process::id())
    }

    /// How often the carrier of an interface of the guest has come or gone; it is up now.
    pub(crate) fn guest_carrier_changes(&self, device: &str) -> u32 {
        let look = async |links: &packet_io::link::Links| {
            let info = links.require(device).await.unwrap();
            links.set_up(info.index, true).await.unwrap();
            links.require(device).await.unwrap()
        };
        let inside = || BlockingLinks::open().unwrap().run(look);
        self.guest.run(inside).unwrap().carrier_changes
    }

    /// How many descriptors `iv` has open.
    pub(crate) fn descriptors(&self) -> usize {
        let pid = self.child.as_ref().unwrap().id();
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    }

    fn port(device: &str) -> Port {
        afpacket::open(device, PacketOptions::default()).unwrap()
    }

    /// A frame from the guest arrives at the switch with that VIF.
    pub(crate) fn frames_go_up(&self, device: &str, vif: VifId) {
        self.carrier(device);
        let (mut guest, mut switch) = (Self::port(device), Self::port("t-sw"));
        let sent = frame(&[0x88, 0xB5]);
        let tagged = frame(
            &[
                &[0x89, 0x26, 0, 0],
                &vif.get().to_be_bytes()[..],
                &[0x88, 0xB5],
            ]
            .concat(),
        );
        arrives(&mut guest, &mut switch, &sent, &tagged);
    }

    /// Frames pass both ways.
    pub(crate) fn frames_pass(&self, device: &str, vif: VifId) {
        self.frames_go_up(device, vif);
        let (mut guest, mut switch) = (Self::port(device), Self::port("t-sw"));
        let [high, low] = vif.get().to_be_bytes();
        let sent = frame(&[0x89, 0x26, 0x80 | high, low, 0, 0, 0x88, 0xB5]);
        arrives(&mut switch, &mut guest, &sent, &frame(&[0x88, 0xB5]));
    }
}

/// From one station to another, with these types behind the addresses.
fn frame(types: &[u8]) -> Vec<u8> {
    let mut octets = vec![2, 0, 0, 0, 0, 0xB, 2, 0, 0, 0, 0, 0xA];
    octets.extend_from_slice(types);
    octets.extend([0x5A; 60]);
    octets
}

/// Sends until it arrives: a device that has just been taken up may take its time.
fn arrives(from: &mut Port, to: &mut Port, sent: &[u8], expected: &[u8]) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        from.tx.send(&[TxFrame::whole(sent)], &mut |_, _| {});
        std::thread::sleep(Duration::from_millis(10));
        let mut burst = arrayvec::ArrayVec::new();
        to.rx.receive(&mut burst).unwrap();
        if burst.iter().any(|frame| frame.bytes == expected) {
            return;
        }
    }
    panic!("no such frame arrived: {expected:02x?}");
}
