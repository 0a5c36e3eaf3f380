//! All 2^32 VNTags, and all values of each 16-bit word of an E-TAG, against a second decoder:
//! one driven by a table of bit positions, written down from the diagram and not from the code.

#![expect(
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses an index out of range"
)]

use std::hint::black_box;
use std::ops::RangeInclusive;
use vntag::{Direction, ETag, VnTag};

/// Fields in the order of the diagram: name, and width in bits.
const VNTAG: [(&str, u32); 7] = [
    ("d", 1),
    ("p", 1),
    ("dvif_id", 14),
    ("l", 1),
    ("r", 1),
    ("ver", 2),
    ("svif_id", 12),
];

const ETAG: [(&str, u32); 8] = [
    ("E-PCP", 3),
    ("E-DEI", 1),
    ("Ingress_E-CID_base", 12),
    ("reserved", 2),
    ("GRP", 2),
    ("E-CID_base", 12),
    ("Ingress_E-CID_ext", 8),
    ("E-CID_ext", 8),
];

/// Where each field stands once the tag is an integer of `total` bits: how far to shift it down, and
/// the bits to keep.
const fn places<const N: usize>(table: &[(&str, u32); N], total: u32) -> [(u32, u32); N] {
    let mut places = [(0, 0); N];
    let mut before = 0;
    let mut i = 0;
    while i < N {
        let (_, width) = table[i];
        before += width;
        places[i] = (total - before, (1 << width) - 1);
        i += 1;
    }
    places
}

#[inline]
fn fields_of_vntag(tag: VnTag) -> [u32; 7] {
    [
        u32::from(tag.direction == Direction::FromBridge),
        u32::from(tag.pointer),
        u32::from(tag.dvif.get()),
        u32::from(tag.looped),
        u32::from(tag.reserved),
        u32::from(tag.version.get()),
        u32::from(tag.svif.get()),
    ]
}

#[inline]
fn fields_of_etag(tag: ETag) -> [u32; 8] {
    [
        u32::from(tag.priority.get()),
        u32::from(tag.drop_eligible),
        u32::from(tag.ingress_base.get()),
        u32::from(tag.reserved.get()),
        u32::from(tag.group.get()),
        u32::from(tag.base.get()),
        u32::from(tag.ingress_ext),
        u32::from(tag.ext),
    ]
}

/// Where the decoders differ on `word`, or the way back fails: not 0.
#[inline]
fn difference(word: u32, places: &[(u32, u32); 7]) -> u32 {
    let tag = VnTag::from_word(word);
    let mut difference = tag.to_word() ^ word;
    for (field, (shift, mask)) in fields_of_vntag(tag).into_iter().zip(places) {
        difference |= field ^ (word >> (shift & 31) & mask);
    }
    difference
}

/// The first of `blocks` of 4096 words in which the decoders differ.
///
/// There is no branch inside a block, so that several words are taken at a time. The compiler is not
/// told what the table says: otherwise it would prove the answer instead of finding it.
fn first_difference(blocks: RangeInclusive<u32>) -> Option<u32> {
    let places = black_box(places(&VNTAG, 32));
    blocks.into_iter().find(|block| {
        let words = (0..4096).map(|low| block << 12 | low);
        words.fold(0, |all, word| all | difference(word, &places)) != 0
    })
}

#[test]
fn the_tables_fill_their_tags() {
    assert_eq!(VNTAG.iter().map(|(_, width)| width).sum::<u32>(), 32);
    assert_eq!(ETAG.iter().map(|(_, width)| width).sum::<u32>(), 48);
}

/// Two threads, a few seconds: the codec is built optimised even for tests.
#[test]
fn every_vntag_word_decodes_as_the_diagram_says_and_encodes_to_itself() {
    let (low, high) = std::thread::scope(|scope| {
        let low = scope.spawn(|| first_difference(0..=0x7_FFFF));
        let high = first_difference(0x8_0000..=0xF_FFFF);
        (low.join(), high)
    });
    assert_eq!(low.map_err(|_| "panicked"), Ok(None));
    assert_eq!(high, None);
}

/// No field crosses the three words of 16 bits, so each is walked while the others rest.
#[test]
fn every_word_of_an_etag_decodes_as_the_diagram_says_and_encodes_to_itself() {
    const PLACES: [(u32, u32); 8] = places(&ETAG, 48);
    let differs = |bits: u64| {
        let [_, _, body @ ..] = bits.to_be_bytes();
        let tag = ETag::from_body(body);
        fields_of_etag(tag) != PLACES.map(|(shift, mask)| (bits >> shift) as u32 & mask)
            || tag.to_body() != body
    };
    for shift in [0, 16, 32] {
        for rest in [0, 0xFFFF_FFFF_FFFF, 0x5555_5555_5555, 0xAAAA_AAAA_AAAA] {
            let rest = rest & !(0xFFFF << shift);
            let mut words = 0..=0xFFFF;
            assert_eq!(words.find(|word| differs(word << shift | rest)), None);
        }
    }
}
