//! A daemon and its command line, over real sockets.
#![expect(
    clippy::unwrap_used,
    reason = "what the tests stand on may fail loudly"
)]

use bytes::BytesMut;
use control_socket::frame::{self, Hello, Kind, Refusal};
use control_socket::{
    Chunk, Client, ClientError, Handler, Limits, ListenError, Listener, Output, Peer, Role, Stream,
    command, serve,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A directory of this test's own, gone when the test is.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("t-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("d.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers with the words it got, one chunk each, and their number as the status.
struct Echo;

impl Handler for Echo {
    type Request = Vec<String>;

    async fn handle(&self, words: Vec<String>, peer: Peer, out: Output) -> u8 {
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        for word in &words {
            if word == "big" {
                out.out(&"x".repeat(3_000_000)).await.unwrap();
            } else {
                out.out(word).await.unwrap();
            }
        }
        out.err("done").await.unwrap();
        words.len() as u8
    }
}

/// Serves in a thread until the test's process ends.
fn daemon(path: &Path, limits: Limits) {
    let listener = Listener::bind(path, Role::Network, "echo", "1.2.3").unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(serve(listener, limits, Echo))
    });
}

fn ask(client: &mut Client, words: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    let status = client
        .call(&words, |chunk: Chunk| {
            match chunk.stream {
                Stream::Out => out.push_str(&chunk.text),
                Stream::Err => err.push_str(&chunk.text),
            }
            Ok(())
        })
        .unwrap();
    (status, out, err)
}

#[test]
fn answers_are_streamed_and_end_with_a_status() {
    let place = Place::new("stream");
    daemon(&place.socket(), Limits::default());
    let mut client = Client::connect(&place.socket(), "echo", "1.2.3").unwrap();
    assert_eq!(client.daemon().pid, std::process::id());
    assert_eq!(client.daemon().release, "1.2.3");
    for _ in 0..2 {
        let (status, out, err) = ask(&mut client, &["a", "b"]);
        assert_eq!((status, &*out, &*err), (2, "ab", "done"));
    }
    let (status, out, _) = ask(&mut client, &["big"]);
    assert_eq!((status, out.len()), (1, 3_000_000));
}

#[test]
fn the_mode_of_the_socket_is_the_roles() {
    let place = Place::new("mode");
    for (role, mode) in [(Role::Network, 0o600), (Role::Operator, 0o666)] {
        let listener = Listener::bind(&place.socket(), role, "echo", "1").unwrap();
        let found = std::fs::metadata(listener.path()).unwrap().permissions();
        assert_eq!(found.mode() & 0o7777, mode);
        drop(listener);
        assert!(!place.socket().exists(), "a clean exit leaves no socket");
    }
}

#[test]
fn a_live_socket_is_refused_with_the_pid_that_has_it() {
    let place = Place::new("live");
    daemon(&place.socket(), Limits::default());
    let error = Listener::bind(&place.socket(), Role::Network, "echo", "1").unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(&error, ListenError::AlreadyRunning { pid: found, .. } if *found == pid),
        "{error}"
    );
    assert!(error.to_string().contains("`echo --help`"));
    // It still answers.
    let mut client = Client::connect(&place.socket(), "echo", "1.2.3").unwrap();
    assert_eq!(ask(&mut client, &["a"]).0, 1);
}

#[test]
fn a_socket_left_by_kill_9_is_replaced() {
    const HOLD: &str = "CONTROL_SOCKET_TEST_HOLD";
    if let Some(path) = std::env::var_os(HOLD) {
        // The daemon to be killed: this test once more, in a process of its own.
        let _held = Listener::bind(Path::new(&path), Role::Network, "echo", "1").unwrap();
        println!("held");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let place = Place::new("kill");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_socket_left_by_kill_9_is_replaced",
            "--nocapture",
        ])
        .env(HOLD, place.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("held")));
    let refused = Listener::bind(&place.socket(), Role::Network, "echo", "1").unwrap_err();
    assert!(
        matches!(&refused, ListenError::AlreadyRunning { pid, .. } if *pid == child.id()),
        "{refused}"
    );

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.socket().exists(), "a killed daemon cleans nothing up");
    let listener = Listener::bind(&place.socket(), Role::Network, "echo", "1");
    assert!(listener.is_ok(), "{listener:?}");
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let place = Place::new("file");
    std::fs::write(place.socket(), "precious").unwrap();
    assert!(matches!(
        Listener::bind(&place.socket(), Role::Network, "echo", "1"),
        Err(ListenError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read(place.socket()).unwrap(), b"precious");
}

#[test]
fn a_daemon_that_is_not_there_is_a_sentence_with_the_command_that_starts_it() {
    let place = Place::new("none");
    let error = Client::connect(&place.socket(), "echo", "1").unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }));
    let text = error.to_string();
    assert!(
        text.contains("`echo run`") && text.contains("d.sock"),
        "{text}"
    );
}

#[test]
fn a_command_waits_for_a_daemon_that_is_just_being_started() {
    let place = Place::new("starting");
    let socket = place.socket();
    let starting = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        daemon(&socket, Limits::default());
    });
    let status = command("echo", "1", Some(&place.socket()), &vec!["one", "two"]);
    starting.join().unwrap();
    assert_eq!(status.unwrap(), 2);
}

#[test]
fn another_daemons_socket_is_told_apart() {
    let place = Place::new("other");
    daemon(&place.socket(), Limits::default());
    let error = Client::connect(&place.socket(), "vis", "1").unwrap_err();
    assert!(
        error.to_string().contains("the socket of echo, not of vis"),
        "{error}"
    );
}

/// Everything the daemon says until it closes.
fn whole_answer(path: &Path, octets: &[u8]) -> Vec<frame::Frame> {
    let mut stream = UnixStream::connect(path).unwrap();
    // The daemon may close before it has taken all of it.
    let _ = stream.write_all(octets);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    // Unread input makes the kernel report a reset after the answer.
    let _ = stream.read_to_end(&mut answer);
    let mut answer = BytesMut::from(&answer[..]);
    let mut frames = Vec::new();
    while let Some(frame) = frame::parse(&mut answer, frame::MAX_FROM_DAEMON).unwrap() {
        frames.push(frame);
    }
    assert!(answer.is_empty());
    frames
}

fn framed<T: serde::Serialize>(kind: Kind, body: &T) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    frame::write(&mut buffer, kind, body, frame::MAX_FROM_CLIENT).unwrap();
    buffer.to_vec()
}

#[test]
fn a_client_that_breaks_the_rules_harms_only_itself() {
    let place = Place::new("hostile");
    daemon(&place.socket(), Limits::default());
    let hello = framed(Kind::Hello, &Hello::of("echo", "1"));
    let with_hello = |more: &[u8]| [&hello, more].concat();

    // Too long, no length, unknown kind, cut short: closed without a word, as no frame can be trusted.
    for octets in [
        &[0xFF; 64][..],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, 99],
        &[0, 0, 0, 9, 1, b'{'],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(whole_answer(&place.socket(), octets), []);
        let after_hello = whole_answer(&place.socket(), &with_hello(octets));
        assert_eq!(after_hello.len(), 1);
        assert_eq!(after_hello[0].kind, Kind::Hello);
    }
    // Whole frames that say the wrong thing: told why.
    let other = Hello {
        version: 99,
        ..Hello::of("echo", "1")
    };
    for (octets, reason) in [
        (
            framed(Kind::Request, &["a"]),
            "a hello of niv-control version 1",
        ),
        (
            framed(Kind::Hello, &"x"),
            "a hello of niv-control version 1",
        ),
        (
            framed(Kind::Hello, &other),
            "the client niv-control version 99",
        ),
        (with_hello(&hello), "a request was expected"),
        (with_hello(&framed(Kind::Request, &7)), "cannot be read"),
    ] {
        let answer = whole_answer(&place.socket(), &octets);
        let last = answer.last().unwrap();
        assert_eq!(last.kind, Kind::Refusal);
        let refusal: Refusal = last.read().unwrap();
        assert!(refusal.reason.contains(reason), "{}", refusal.reason);
    }
    let mut client = Client::connect(&place.socket(), "echo", "1").unwrap();
    assert_eq!(ask(&mut client, &["a"]).0, 1);
}

#[test]
fn one_client_too_many_is_told_so() {
    let place = Place::new("many");
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    daemon(&place.socket(), limits);
    let mut first = Client::connect(&place.socket(), "echo", "1").unwrap();
    let _second = Client::connect(&place.socket(), "echo", "1").unwrap();
    let error = Client::connect(&place.socket(), "echo", "1").unwrap_err();
    assert!(
        error.to_string().starts_with("2 clients are connected"),
        "{error}"
    );
    assert_eq!(ask(&mut first, &["a"]).0, 1);
}

#[test]
fn one_user_does_not_take_every_place() {
    let place = Place::new("user");
    let limits = Limits {
        per_user: 1,
        ..Limits::default()
    };
    daemon(&place.socket(), limits);
    let first = Client::connect(&place.socket(), "echo", "1").unwrap();
    let refused = Client::connect(&place.socket(), "echo", "1").unwrap_err();
    assert!(
        refused.to_string().contains("1 clients of this user"),
        "{refused}"
    );
    drop(first);
    let again = || Client::connect(&place.socket(), "echo", "1").is_ok();
    assert!((0..200).any(|_| again() || {
        std::thread::sleep(Duration::from_millis(10));
        false
    }));
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let place = Place::new("silent");
    let limits = Limits {
        connections: 1,
        per_user: 1,
        frame: Duration::from_millis(50),
        idle: Duration::from_millis(50),
    };
    daemon(&place.socket(), limits);
    let mut silent = UnixStream::connect(place.socket()).unwrap();
    silent.write_all(&[0, 0]).unwrap();
    // Returns only when the daemon closes.
    let mut octets = Vec::new();
    let _ = silent.read_to_end(&mut octets);
    assert!(octets.is_empty());
    // Its place is free once more, at the latest when the daemon has noticed.
    while Client::connect(&place.socket(), "echo", "1").is_err() {}
}
