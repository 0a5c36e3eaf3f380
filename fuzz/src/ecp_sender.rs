//! The header of ECP, and the half of it that sends.

use crate::input::Input;
use crate::marks::{mark, mark_variant};
use std::time::Duration;
use vic::ecp::{Header, Sender};

/// `data` is a header (four octets), a timer in milliseconds (one), how often to repeat (one), and steps of two octets
/// each: time passes, something is to be sent, an acknowledgement comes.
///
/// # Panics
/// What was read is not written as it was; more than one PDU is out, one is sent more often than it may, or one is never
/// let go.
pub fn ecp_sender(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(octets) = input.array::<{ Header::LENGTH }>() else { return };
    match Header::from_bytes(octets) {
        Some(header) => {
            assert_eq!(header.to_bytes(), octets);
            mark_variant("read", &header.operation);
        }
        None => {
            mark("read", "nothing");
            assert!(octets.first().is_some_and(|&first| first >> 4 != 1 || first & 8 != 0));
        }
    }
    let Some([timer, retries]) = input.array() else { return };
    let timer = Duration::from_millis(u64::from(timer) + 1);
    let mut sender = Sender::new(timer, retries % 8);
    let mut now = Duration::ZERO;
    let mut repeated = 0;
    let mut out: Option<(u16, u16)> = None;
    let mut sent = 0u16;
    while let Some([step, argument]) = input.array() {
        match step % 3 {
            0 => {
                now += Duration::from_millis(argument.into());
                let idle = sender.is_idle();
                let frame = sender.due(now).map(<[u8]>::to_vec);
                assert!(frame.is_none() || !idle, "nothing was out");
                if let Some(frame) = frame {
                    repeated += 1;
                    mark("sender", "repeats");
                    assert_eq!(Some(frame), out.map(|(_, number)| number.to_be_bytes().to_vec()));
                }
                assert!(repeated <= retries % 8, "repeated once too often");
                if sender.is_idle() && !idle {
                    mark("sender", "gives up");
                    assert_eq!(repeated, retries % 8);
                    out = None;
                }
            }
            1 if sender.is_idle() => {
                let sequence = sender.next_sequence();
                assert!(out.is_none_or(|(before, _)| before != sequence), "a number comes again");
                sent = sent.wrapping_add(1);
                sender.send(now, sent.to_be_bytes().to_vec());
                assert!(!sender.is_idle());
                (out, repeated) = (Some((sequence, sent)), 0);
            }
            1 => mark("sender", "busy"),
            _ => {
                // Mostly the right one.
                let right = out.map_or(0, |(sequence, _)| sequence);
                let sequence = right.wrapping_add(u16::from(argument / 128 * argument));
                let waited = !sender.is_idle();
                let taken = sender.acknowledge(sequence);
                assert_eq!(taken, waited && sequence == right);
                mark("acknowledgement taken", taken);
                assert_eq!(sender.is_idle(), taken || !waited);
            }
        }
    }
}
