//! TCP and UDP streams between namespaces, with every byte checked.

use crate::error::{Doing, Result, check};
use packet_io::netns::NetNs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// No peer is silent for longer.
const SILENCE: Duration = Duration::from_secs(10);
/// Octets handed to the kernel at a time.
const CHUNK: usize = 64 * 1024;
/// Datagrams on their way at the same time.
const WINDOW: usize = 16;

/// The octets `at..at + length` of an endless stream in which no 8 octets at a multiple of 8 are like
/// another 8: a lost, doubled, moved or damaged piece shows.
pub(crate) fn pattern(at: u64, length: usize) -> Vec<u8> {
    let first = at / 8;
    let skip = (at % 8) as usize;
    (first..)
        .flat_map(|word| scramble(word).to_be_bytes())
        .skip(skip)
        .take(length)
        .collect()
}

/// The finishing step of splitmix64, which maps no two numbers to one.
const fn scramble(word: u64) -> u64 {
    let z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a stream carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    /// Octets each way.
    pub(crate) octets: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// `octets` each way at the same time, over one connection. Every octet is compared on arrival.
///
/// # Errors
/// No connection, silence, or an octet that differs.
pub(crate) fn tcp(from: &NetNs, to: &NetNs, at: IpAddr, octets: u64) -> Result<Carried> {
    let listener = to
        .run(|| TcpListener::bind(SocketAddr::new(at, 0)))
        .doing("enter a namespace to listen in")?
        .doing(format!("listen on {at}"))?;
    let there = listener.local_addr().doing("learn the port")?;
    let started = Instant::now();
    let call = || TcpStream::connect_timeout(&there, SILENCE);
    let near = from
        .run(call)
        .doing("enter a namespace to call from")?
        .doing(format!("connect to {there}"))?;
    let (far, _) = listener.accept().doing("accept a connection")?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(SILENCE)).doing("set a timeout")?;
        end.set_write_timeout(Some(SILENCE))
            .doing("set a timeout")?;
    }
    // The two directions carry different parts of the pattern: an echo would show.
    let back = 1 << 40;
    thread::scope(|scope| {
        let threads = [
            scope.spawn(|| send_pattern(&near, 0, octets)),
            scope.spawn(|| send_pattern(&far, back, octets)),
            scope.spawn(|| check_pattern(&far, 0, octets)),
            scope.spawn(|| check_pattern(&near, back, octets)),
        ];
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })?;
    Ok(Carried {
        octets,
        took: started.elapsed(),
    })
}

fn send_pattern(mut to: &TcpStream, start: u64, octets: u64) -> Result<()> {
    let mut sent = 0;
    while sent < octets {
        let length = CHUNK.min((octets - sent) as usize);
        to.write_all(&pattern(start + sent, length))
            .doing(format!("send octet {sent} of {octets}"))?;
        sent += length as u64;
    }
    Ok(())
}

fn check_pattern(mut from: &TcpStream, start: u64, octets: u64) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut got = 0;
    while got < octets {
        let length = from
            .read(&mut buffer)
            .doing(format!("receive octet {got} of {octets}"))?;
        check(length > 0, || {
            format!("the stream ended after {got} of {octets} octets")
        })?;
        let bytes = buffer.get(..length).unwrap_or_default();
        check(*bytes == *pattern(start + got, length), || {
            format!(
                "octets {got} to {} are not the ones sent",
                got + length as u64
            )
        })?;
        got += length as u64;
    }
    Ok(())
}

/// `count` different datagrams of `length` octets, 8 at least, to an echo in the other namespace and back, 16 on their
/// way at a time; each must come back once, whole, and every octet of it as sent.
///
/// # Errors
/// Silence, a datagram that came twice, or one that differs.
pub(crate) fn udp(
    from: &NetNs,
    to: &NetNs,
    at: IpAddr,
    count: usize,
    length: usize,
) -> Result<Carried> {
    let bind = |address| {
        move || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            Ok(socket)
        }
    };
    let any = match at {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    let near = from
        .run(bind(any))
        .doing("enter a namespace to send from")?
        .doing("open a socket")?;
    let far = to
        .run(bind(at))
        .doing("enter a namespace to receive in")?
        .doing(format!("receive on {at}"))?;
    near.connect(far.local_addr().doing("learn the port")?)
        .doing("name the peer")?;
    let started = Instant::now();
    let finished = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            let mut buffer = vec![0; 65_536];
            while !finished.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok((length, sender)) = far.recv_from(&mut buffer)
                    && let Some(bytes) = buffer.get(..length)
                    && far.send_to(bytes, sender).is_err()
                {
                    // The datagram is missed at the other end, which says so.
                }
            }
        });
        let result = exchange(&near, count, length);
        finished.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Err(panic) = echo.join() {
            std::panic::resume_unwind(panic);
        }
        result
    })?;
    Ok(Carried {
        octets: (count * length) as u64,
        took: started.elapsed(),
    })
}

fn exchange(socket: &UdpSocket, count: usize, length: usize) -> Result<()> {
    let datagram = |number: usize| pattern((number * length.next_multiple_of(8)) as u64, length);
    let mut back = vec![false; count];
    let mut buffer = vec![0; 65_536];
    let (mut sent, mut received) = (0, 0);
    let mut heard = Instant::now();
    while received < count {
        while sent < count && sent - received < WINDOW {
            socket
                .send(&datagram(sent))
                .doing(format!("send datagram {sent} of {length} octets"))?;
            sent += 1;
        }
        match socket.recv(&mut buffer) {
            Ok(n) => {
                heard = Instant::now();
                let bytes = buffer.get(..n).unwrap_or_default();
                // Which one it is: the window is small, so look it up by content.
                let window = received.saturating_sub(WINDOW)..sent;
                let number = window.rev().find(|&i| datagram(i) == bytes);
                let seen = number.and_then(|i| back.get_mut(i));
                check(seen.as_ref().is_some_and(|seen| !**seen), || {
                    format!("a datagram of {n} octets came that was not sent, or came twice")
                })?;
                if let Some(seen) = seen {
                    *seen = true;
                }
                received += 1;
            }
            Err(_) => check(heard.elapsed() < Duration::from_secs(3), || {
                format!("{} of {sent} datagrams never came back", sent - received)
            })?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_one_stream_wherever_it_is_cut() {
        let whole = pattern(0, 100);
        for cut in 0..100 {
            let (a, b) = (pattern(0, cut), pattern(cut as u64, 100 - cut));
            assert_eq!([a, b].concat(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_moved_piece_of_the_pattern_shows() {
        assert_ne!(pattern(0, 8), pattern(8, 8));
        assert_ne!(pattern(0, 8), pattern(1, 8));
    }
}
