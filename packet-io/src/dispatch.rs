//! From verdicts to devices: the last step both daemons share.

use crate::long::{LONGEST_PLAIN, TRAILER, trailer};
use crate::offload::{Coalescing, HEADER_ROOM, Layout, Run, Segments, finish};
use crate::{BURST, Capabilities, Offload, RxFrame, Transmit, TxFrame};
use arrayvec::ArrayVec;
use niv::{DropReason, Gather, PortId, Rewrite, Weight};
use std::num::NonZeroU16;
use std::slice;

/// One copy of a received frame, on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The device it leaves by.
    pub port: PortId,
    /// Whose egress counters it counts in: a number the daemon chose, and nobody else reads.
    pub account: u32,
    /// Which frame of the burst it is a copy of.
    pub frame: u16,
    /// How its first octets differ from the received frame's.
    pub gather: Gather,
    /// Octets of VNTag in it, which never count (design.md section 4.10): 0 or 6.
    pub uncounted: u8,
    /// What else differs, and how much of it leaves. Nearly always [`Edit::NONE`].
    pub edit: Edit,
}

/// How a copy differs from the received frame behind its first octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Octets of its IP header that are to be others.
    pub rewrite: Option<Rewrite>,
    /// Of an oversized frame: only its first so many segments leave; `None`: all.
    pub segments: Option<NonZeroU16>,
}

impl Edit {
    /// It leaves as it came.
    pub const NONE: Self = Self {
        rewrite: None,
        segments: None,
    };
}

/// The smallest Ethernet frame, without FCS.
const MINIMUM: usize = 60;
const PADDING: [u8; MINIMUM] = [0; MINIMUM];
const ETHERNET_HEADER: usize = 14;
/// The lengths in IP headers have 16 bits.
const LONGEST_PACKET: usize = 65_535;

/// Hands copies to devices: builds the gathers, finishes or passes on what senders left undone, and says
/// what became of each copy. Owns the room that needs; one for each worker.
pub struct Dispatcher {
    rooms: Box<[[u8; HEADER_ROOM]; BURST]>,
    trailers: [[u8; TRAILER]; BURST],
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self::new()
    }
}

/// Told of each copy's fate, perhaps in parts: the frames and octets, and why they were dropped if they were.
pub type Done<'a> = dyn FnMut(&Outgoing, Weight, Result<(), DropReason>) + 'a;

/// Frames of one call to the device, and where each came from.
struct Batch<'a> {
    frames: ArrayVec<TxFrame<'a>, BURST>,
    /// The copies each frame is made of: one, and the frame's weight; or several, one for each slice in the frame's
    /// `more`, with headers of as many octets as the frame's own.
    origins: ArrayVec<(&'a [Outgoing], Weight), BURST>,
}

/// How to send one copy.
enum Plan<'a> {
    /// One frame.
    Whole(TxFrame<'a>, Weight),
    /// One frame, whose octets up to and with the checksum are rewritten.
    Rewritten {
        /// Where the checksum ends in the received frame.
        end: usize,
        sum: [u8; 2],
        weight: Weight,
        /// What is left to do then.
        offload: Offload,
    },
    /// One frame, octets of whose IP header are rewritten.
    Marked {
        rewrite: Rewrite,
        weight: Weight,
        /// What is left to do then.
        offload: Offload,
    },
    /// Several frames.
    Cut(Segments<'a>),
}

impl Dispatcher {
    /// A dispatcher with its room.
    pub fn new() -> Self {
        Self {
            rooms: Box::new([[0; HEADER_ROOM]; BURST]),
            trailers: [[0; TRAILER]; BURST],
        }
    }

    /// Sends `copies`, all of them by `port` and in order, made of the frames in `burst`.
    ///
    /// Pass `capabilities` with `offload` unset for a link whose other end did not announce that it
    /// takes unfinished frames. `pad_to_60` adds zeros up to 60 octets, as a wire wants them.
    ///
    /// `done` hears of every copy; of an oversized one possibly more than once, since some of its
    /// segments may be sent and others not, and the weights add up to the whole.
    ///
    /// An oversized frame leaves whole by a port with offload, but not behind a VNTag: the kernel has no
    /// segmentation for EtherType 0x8926 and drops it. Those are cut here, their checksums left to the device; or
    /// not, or not so small, on a link that carries [long frames](crate::long).
    ///
    /// By a port with offload and without VNTag, successive TCP segments of one flow leave as one oversized frame
    /// (the rules are in `offload/coalesce.rs`): to a guest that is one frame in place of up to 45, and one acknowledgement.
    pub fn send(
        &mut self,
        port: &mut dyn Transmit,
        capabilities: &Capabilities,
        pad_to_60: bool,
        burst: &[RxFrame<'_>],
        copies: &[Outgoing],
        done: &mut Done<'_>,
    ) {
        let mut copies = copies.iter();
        let mut cutting: Option<(&Outgoing, Segments<'_>)> = None;
        let mut coalescing = Coalescing::new(burst, capabilities);
        loop {
            let mut places = [&[][..]; BURST];
            let mut payloads = places.as_mut_slice();
            let mut batch = Batch {
                frames: ArrayVec::new(),
                origins: ArrayVec::new(),
            };
            for room in self.rooms.iter_mut() {
                if let Some((copy, segments)) = &mut cutting
                    && !segments.is_over()
                {
                    batch.push_segment(copy, segments, room, pad_to_60);
                    continue;
                }
                if payloads.len() < 2 {
                    // No room for a run: the next batch has it.
                    break;
                }
                if let Some(run) = coalescing.next(&mut copies, &mut payloads) {
                    batch.push_run(&run, room);
                    continue;
                }
                let Some((copy, plan)) = next_plan(&mut copies, capabilities, burst, done) else {
                    break;
                };
                match plan {
                    Plan::Whole(frame, weight) => batch.push(copy, frame, weight, pad_to_60),
                    Plan::Rewritten {
                        end,
                        sum,
                        weight,
                        offload,
                    } => {
                        batch.push_rewritten(copy, burst, room, (end, sum), offload, weight);
                        batch.pad_last(pad_to_60);
                    }
                    Plan::Marked {
                        rewrite,
                        weight,
                        offload,
                    } => {
                        batch.push_marked(copy, burst, room, &rewrite, offload, weight);
                        batch.pad_last(pad_to_60);
                    }
                    Plan::Cut(mut segments) => {
                        batch.push_segment(copy, &mut segments, room, pad_to_60);
                        cutting = Some((copy, segments));
                    }
                }
            }
            if batch.frames.is_empty() {
                return;
            }
            if capabilities.long > 0 {
                batch.add_trailers(&mut self.trailers);
            }
            batch.send(port, done);
        }
    }
}

/// Plans the next copy that can be sent, and reports those before it that cannot.
#[inline]
fn next_plan<'a>(
    copies: &mut std::slice::Iter<'a, Outgoing>,
    capabilities: &Capabilities,
    burst: &'a [RxFrame<'_>],
    done: &mut Done<'_>,
) -> Option<(&'a Outgoing, Plan<'a>)> {
    for copy in copies {
        // A copy of a frame that is not there, or that is shorter than its verdict supposed, is a fault of the
        // caller: counted as an error, like everything else that does not leave.
        let frame = burst.get(usize::from(copy.frame));
        let parts = frame.and_then(|frame| {
            let body = frame.bytes.get(usize::from(copy.gather.skip)..)?;
            Some((frame, body))
        });
        let Some((frame, body)) = parts else {
            done(copy, Weight::one(0), Err(DropReason::TxError));
            continue;
        };
        let head = copy.gather.head.as_bytes();
        let counted = (head.len() + body.len()).saturating_sub(usize::from(copy.uncounted));
        let plan = if frame.offload.is_none() {
            let weight = Weight::one(counted);
            whole(copy, head, body, Offload::NONE, weight).ok_or((weight, DropReason::TxError))
        } else {
            plan_offload(capabilities, copy, frame, body, counted)
        };
        match plan {
            Ok(plan) => return Some((copy, plan)),
            Err((weight, reason)) => done(copy, weight, Err(reason)),
        }
    }
    None
}

/// One frame, marked if the copy is. `None`: the mark is not for this frame.
#[inline]
fn whole<'a>(
    copy: &Outgoing,
    head: &'a [u8],
    body: &'a [u8],
    offload: Offload,
    weight: Weight,
) -> Option<Plan<'a>> {
    let Some(rewrite) = copy.edit.rewrite else {
        let frame = TxFrame {
            parts: [head, body, &[]],
            more: &[],
            offload,
        };
        return Some(Plan::Whole(frame, weight));
    };
    let skip = usize::from(copy.gather.skip);
    let kept = rewrite.end().checked_sub(skip)?;
    let fits =
        usize::from(rewrite.at) >= skip && kept <= body.len() && head.len() + kept <= HEADER_ROOM;
    fits.then_some(Plan::Marked {
        rewrite,
        weight,
        offload,
    })
}

#[inline(never)]
fn plan_offload<'a>(
    capabilities: &Capabilities,
    copy: &'a Outgoing,
    frame: &'a RxFrame<'_>,
    body: &'a [u8],
    counted: usize,
) -> Result<Plan<'a>, (Weight, DropReason)> {
    let Gather { head, skip } = &copy.gather;
    let (head, skip) = (head.as_bytes(), usize::from(*skip));
    let length = frame.bytes.len();
    let layout = Layout::parse(frame.bytes, skip)
        .and_then(|layout| {
            layout.check(frame.bytes, length, &frame.offload)?;
            Ok(layout)
        })
        .map_err(|bad| (Weight::one(counted), bad.into()))?;
    let left_out = left_out(copy, frame, &layout);
    let weight = layout.weight(
        length - left_out,
        counted.saturating_sub(left_out),
        &frame.offload,
    );
    let one =
        |offload| whole(copy, head, body, offload, weight).ok_or((weight, DropReason::TxError));

    if let Some(segmentation) = frame.offload.segmentation {
        let part = copy.edit.segments;
        if !capabilities.offload || copy.uncounted > 0 || part.is_some() {
            let longest = (capabilities.long as usize)
                .min(LONGEST_PACKET)
                .saturating_sub(TRAILER);
            let complete = frame.offload.checksum.is_none();
            let octets = head.len() + body.len();
            if complete && part.is_none() && (LONGEST_PLAIN + 1..=longest).contains(&octets) {
                return one(frame.offload);
            }
            let segments = Segments::new(
                frame.bytes,
                &layout,
                segmentation,
                head,
                skip,
                !capabilities.offload,
            );
            return match segments {
                Ok(segments) => {
                    let segments = segments.first(part).marked(copy.edit.rewrite);
                    Ok(Plan::Cut(segments.into_pieces(longest)))
                }
                Err(bad) => Err((weight, bad.into())),
            };
        }
        // The kernel lets any oversized frame pass, so that its segments are ours to measure.
        let payload = length.saturating_sub(layout.payload());
        let headers = (head.len() + body.len()).saturating_sub(payload);
        let longest = headers + payload.min(usize::from(segmentation.size));
        if longest > longest_frame(capabilities, head, body) {
            return Err((weight, DropReason::MtuExceeded));
        }
        // A link's long frames are complete, and the kernel cuts only what is not.
        if frame.offload.checksum.is_none() {
            let (checksum, sum) = layout
                .unfinished(frame.bytes)
                .map_err(|bad| (weight, bad.into()))?;
            let end = usize::from(checksum.start + checksum.offset) + sum.len();
            let offload = Offload {
                checksum: Some(checksum),
                ..frame.offload
            };
            return rewritten(
                copy,
                end,
                sum,
                weight,
                offload.shifted(copy.gather.growth()),
            );
        }
    }
    match frame.offload.checksum {
        Some(checksum) if !capabilities.offload => {
            let (at, sum) =
                finish(frame.bytes, checksum).map_err(|bad| (weight, DropReason::from(bad)))?;
            rewritten(copy, at + sum.len(), sum, weight, Offload::NONE)
        }
        _ => one(frame.offload.shifted(copy.gather.growth())),
    }
}

/// Octets of an oversized frame that are in segments that do not leave.
fn left_out(copy: &Outgoing, frame: &RxFrame<'_>, layout: &Layout) -> usize {
    let payload = frame.bytes.len().saturating_sub(layout.payload());
    match (copy.edit.segments, frame.offload.segmentation) {
        (Some(part), Some(segmentation)) => {
            let leaves = usize::from(part.get()).saturating_mul(segmentation.size.into());
            payload.saturating_sub(leaves)
        }
        _ => 0,
    }
}

/// One frame whose checksum, which ends at octet `end` of the received frame, becomes `sum`.
fn rewritten<'a>(
    copy: &Outgoing,
    end: usize,
    sum: [u8; 2],
    weight: Weight,
    offload: Offload,
) -> Result<Plan<'a>, (Weight, DropReason)> {
    let Gather { head, skip } = &copy.gather;
    let (head, skip) = (head.as_bytes().len(), usize::from(*skip));
    if end < skip + sum.len() || head + end - skip > HEADER_ROOM {
        return Err((weight, DropReason::BadOffload));
    }
    Ok(Plan::Rewritten {
        end,
        sum,
        weight,
        offload,
    })
}

/// What the device takes: a VLAN tag comes on top of its MTU, as in the kernel.
fn longest_frame(capabilities: &Capabilities, head: &[u8], body: &[u8]) -> usize {
    let ethertype = head.get(12..14).or_else(|| body.get(..2));
    let tag = if ethertype == Some(&[0x81, 0x00]) {
        4
    } else {
        0
    };
    capabilities.mtu as usize + ETHERNET_HEADER + tag
}

/// Rewrites headers in `room`: `head` octets of the gather's, then the received frame from `skip` on.
fn mark(room: &mut [u8; HEADER_ROOM], head: usize, skip: usize, rewrite: &Rewrite) {
    // What is planned lies in the headers that were copied.
    let _ = room
        .get_mut(head..)
        .and_then(|headers| rewrite.apply(headers, skip));
}

impl<'a> Batch<'a> {
    #[inline]
    fn push(&mut self, copy: &'a Outgoing, frame: TxFrame<'a>, weight: Weight, pad: bool) {
        self.frames.push(frame);
        self.origins.push((slice::from_ref(copy), weight));
        self.pad_last(pad);
    }

    #[inline]
    fn pad_last(&mut self, pad: bool) {
        if let Some(frame) = self.frames.last_mut().filter(|_| pad) {
            let missing = MINIMUM.saturating_sub(frame.len());
            let [_, _, last] = &mut frame.parts;
            *last = PADDING.get(..missing).unwrap_or_default();
        }
    }

    /// Long frames get the trailer that says what was left to do of them.
    fn add_trailers(&mut self, rooms: &'a mut [[u8; TRAILER]; BURST]) {
        for (frame, room) in self.frames.iter_mut().zip(rooms) {
            if frame.len() > LONGEST_PLAIN {
                *room = trailer(&frame.offload);
                frame.offload.segmentation = None;
                let [_, _, last] = &mut frame.parts;
                *last = room;
            }
        }
    }

    fn push_rewritten(
        &mut self,
        copy: &'a Outgoing,
        burst: &'a [RxFrame<'_>],
        room: &'a mut [u8; HEADER_ROOM],
        (end, sum): (usize, [u8; 2]),
        offload: Offload,
        weight: Weight,
    ) {
        let head = copy.gather.head.as_bytes();
        let skip = usize::from(copy.gather.skip);
        let bytes = burst
            .get(usize::from(copy.frame))
            .map(|frame| frame.bytes)
            .unwrap_or_default();
        let kept = bytes.get(skip..end - sum.len()).unwrap_or_default();
        let mut length = 0;
        for piece in [head, kept, &sum] {
            if let Some(space) = room.get_mut(length..length + piece.len()) {
                space.copy_from_slice(piece);
                length += piece.len();
            }
        }
        if let Some(rewrite) = copy.edit.rewrite {
            mark(room, head.len(), skip, &rewrite);
        }
        let rewritten = room.get(..length).unwrap_or_default();
        let rest = bytes.get(end..).unwrap_or_default();
        let frame = TxFrame {
            parts: [rewritten, rest, &[]],
            more: &[],
            offload,
        };
        self.push(copy, frame, weight, false);
    }

    #[inline(never)]
    fn push_marked(
        &mut self,
        copy: &'a Outgoing,
        burst: &'a [RxFrame<'_>],
        room: &'a mut [u8; HEADER_ROOM],
        rewrite: &Rewrite,
        offload: Offload,
        weight: Weight,
    ) {
        let head = copy.gather.head.as_bytes();
        let skip = usize::from(copy.gather.skip);
        let bytes = burst
            .get(usize::from(copy.frame))
            .map(|frame| frame.bytes)
            .unwrap_or_default();
        let kept = bytes.get(skip..rewrite.end()).unwrap_or_default();
        let length = head.len() + kept.len();
        if let Some((front, back)) = room
            .get_mut(..length)
            .and_then(|room| room.split_at_mut_checked(head.len()))
        {
            front.copy_from_slice(head);
            back.copy_from_slice(kept);
        }
        mark(room, head.len(), skip, rewrite);
        let marked = room.get(..length).unwrap_or_default();
        let rest = bytes.get(rewrite.end()..).unwrap_or_default();
        let frame = TxFrame {
            parts: [marked, rest, &[]],
            more: &[],
            offload,
        };
        self.push(copy, frame, weight, false);
    }

    fn push_segment<'s: 'a>(
        &mut self,
        copy: &'s Outgoing,
        segments: &mut Segments<'s>,
        room: &'a mut [u8; HEADER_ROOM],
        pad: bool,
    ) {
        let Some(segment) = segments.next(room) else {
            return;
        };
        let header = room.get(..segment.header).unwrap_or_default();
        let counted = header.len() + segment.payload.len() - usize::from(copy.uncounted);
        let frame = TxFrame {
            parts: [header, segment.payload, &[]],
            more: &[],
            offload: Offload {
                checksum: segment.checksum,
                segmentation: segment.segmentation,
            },
        };
        let weight = segment.weight(counted);
        self.push(copy, frame, weight, pad);
    }

    #[inline(never)]
    fn push_run<'s: 'a>(&mut self, run: &Run<'s, 'a>, room: &'a mut [u8; HEADER_ROOM]) {
        // Four headers of known length, and options: there is always room.
        let Some((length, offload)) = run.headers(room) else {
            return;
        };
        self.frames.push(TxFrame {
            parts: [room.get(..length).unwrap_or_default(), &[], &[]],
            more: run.payloads,
            offload,
        });
        self.origins.push((run.copies, Weight::one(0)));
    }

    fn send(self, port: &mut dyn Transmit, done: &mut Done<'_>) {
        let mut fates = [Ok(()); BURST];
        port.send(&self.frames, &mut |index, refusal| {
            if let Some(fate) = fates.get_mut(index) {
                *fate = Err(refusal.into());
            }
        });
        for (((copies, weight), frame), fate) in self.origins.iter().zip(&self.frames).zip(fates) {
            if let [copy] = copies {
                done(copy, *weight, fate);
                continue;
            }
            let [header, ..] = frame.parts;
            for (copy, payload) in copies.iter().zip(frame.more) {
                done(copy, Weight::one(header.len() + payload.len()), fate);
            }
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "long_tests.rs"]
mod long_tests;
