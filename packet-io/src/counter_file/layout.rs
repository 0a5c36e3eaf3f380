//! How the octets of a counter file lie, and reading those that another process left.
//!
//! All words are of 64 bits, as the machine has them.
//!
//! ```text
//!  header, 16 words    magic, version, boot id (2), owner (2), meaning, records, words of a block,
//!                      most blocks, 0, 0, 0, 0, 0, check of the words before
//!  block 0, 1, 2, ...  its records, one after the other
//!  record of n words   times stored, bank (n words), bank (n words)
//! ```
//!
//! A record that was stored `t` times stands in bank `t mod 2`; 0 times: nowhere. The next one goes to the other
//! bank, and then `t` grows: whoever reads a bank and finds `t` as it was before has a whole record, and so has
//! whoever comes after a writer that was killed anywhere.
//!
//! The file grows by whole blocks, so the number of blocks follows from its length.

use thiserror::Error;

/// Words of the header.
pub(super) const HEADER: usize = 16;
/// Octets of a word.
pub(super) const WORD: usize = 8;
/// Records a block can have.
const MAX_RECORDS: usize = 4;

const MAGIC: u64 = u64::from_be_bytes(*b"NIVcount");
const VERSION: u64 = 1;

/// Whose a file is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whose counters they are.
    pub owner: [u8; 16],
    /// What the words mean, boiled down ([`digest`]): another program's words are not read as ours.
    pub meaning: u64,
    /// Words of each record of a block; at most four records.
    pub records: &'static [u16],
    /// Blocks, at most.
    pub blocks: u16,
}

/// What is left of one block: its records; `None`: never stored.
pub type Block = Vec<Option<Vec<u64>>>;

/// Why a file is not read. All of it is left out, not a part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// A link, a folder, a device.
    #[error("it is no regular file")]
    NoFile,
    /// Others than this user own it, or may write to it.
    #[error("others than this user may have written it")]
    NotPrivate,
    /// Longer than such a file gets.
    #[error("it is longer than all blocks there may be")]
    TooLong,
    /// It has no whole header, or ends within a block.
    #[error("it ends too early")]
    Short,
    /// Something else begins so, or a machine of another kind wrote it.
    #[error("it is no file of counters")]
    NoCounters,
    /// Of another release.
    #[error("it has layout {0}, and this release reads layout {VERSION}")]
    Version(u64),
    /// Octets of its header are not those that were written.
    #[error("its header is damaged")]
    Damaged,
    /// The disk may have some of its octets and not others.
    #[error("it is of before the machine was started")]
    EarlierBoot,
    /// Another switch's.
    #[error("it is somebody else's")]
    OtherOwner,
    /// Of another release that counts other things.
    #[error("its blocks mean something else: another release wrote it")]
    OtherMeaning,
}

/// Boils names down to a number that is another one for other names (FNV-1a, of 64 bits).
///
/// ```
/// # use packet_io::counter_file::digest;
/// assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
/// ```
pub fn digest<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let step = |sum: u64, octet: u8| (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3);
    names.into_iter().fold(0xCBF2_9CE4_8422_2325, |sum, name| {
        // A length in front, so that no two rows of names are the same octets.
        let length = (name.len() as u64).to_be_bytes();
        length.iter().chain(name).fold(sum, |sum, &o| step(sum, o))
    })
}

impl Layout {
    /// Words of a block.
    pub(super) fn block(&self) -> usize {
        self.records.iter().map(|&words| record(words)).sum()
    }

    /// Of each record, where it begins in a block, and its words with both banks.
    pub(super) fn places(&self) -> Vec<(usize, usize)> {
        let mut at = 0;
        let place = |&words: &u16| {
            let place = (at, record(words));
            at += record(words);
            place
        };
        self.records.iter().map(place).collect()
    }

    /// Words of a file with so many blocks.
    pub(super) fn words(&self, blocks: usize) -> usize {
        HEADER + blocks * self.block()
    }

    /// Octets of a block.
    pub fn block_octets(&self) -> usize {
        self.block() * size_of::<u64>()
    }

    /// What a file of this layout begins with, under this boot.
    pub fn header_octets(&self, boot: u128) -> Vec<u8> {
        let header = self.header(boot);
        header.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    pub(super) fn header(&self, boot: u128) -> [u64; HEADER] {
        let owner = u128::from_be_bytes(self.owner);
        let halves = |number: u128| [(number >> 64) as u64, number as u64];
        let [boot, owner] = [halves(boot), halves(owner)];
        let records = self.records.iter().take(MAX_RECORDS);
        let records = records.fold(0, |all, &words| all << 16 | u64::from(words));
        let mut header = [
            MAGIC,
            VERSION,
            boot[0],
            boot[1],
            owner[0],
            owner[1],
            self.meaning,
            records,
            self.block() as u64,
            self.blocks.into(),
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let (words, check) = header.split_at_mut(HEADER - 1);
        check.fill(check_of(words));
        header
    }
}

/// Words of a record with its two banks.
pub(super) fn record(words: u16) -> usize {
    1 + 2 * usize::from(words)
}

fn check_of(words: &[u64]) -> u64 {
    let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    digest([&octets[..]])
}

/// What `octets`, a whole file, say under this layout and boot.
///
/// # Errors
/// They are not a file of this layout, owner and boot, from its first octet to its last.
pub fn parse(octets: &[u8], layout: &Layout, boot: u128) -> Result<Vec<Block>, Refused> {
    if octets.len() > layout.words(layout.blocks.into()) * WORD {
        return Err(Refused::TooLong);
    }
    let (words, rest) = octets.as_chunks::<WORD>();
    let words: Vec<u64> = words.iter().map(|&word| u64::from_ne_bytes(word)).collect();
    let (Some(header), true) = (words.first_chunk::<HEADER>(), rest.is_empty()) else {
        return Err(Refused::Short);
    };
    judge(header, &layout.header(boot))?;
    let blocks = words.get(HEADER..).unwrap_or_default();
    let (blocks, rest) = (
        blocks.chunks_exact(layout.block()),
        blocks.len() % layout.block(),
    );
    if rest != 0 {
        return Err(Refused::Short);
    }
    Ok(blocks.map(|block| read_block(block, layout)).collect())
}

fn judge(is: &[u64; HEADER], wanted: &[u64; HEADER]) -> Result<(), Refused> {
    let [magic, version, boot @ .., check] = is;
    let [_, _, wanted @ .., _] = wanted;
    let same = |range: std::ops::Range<usize>| boot.get(range.clone()) == wanted.get(range);
    if *magic != MAGIC {
        Err(Refused::NoCounters)
    } else if *check != check_of(is.split_at(HEADER - 1).0) {
        Err(Refused::Damaged)
    } else if *version != VERSION {
        Err(Refused::Version(*version))
    } else if !same(0..2) {
        Err(Refused::EarlierBoot)
    } else if !same(2..4) {
        Err(Refused::OtherOwner)
    } else if !same(4..boot.len()) {
        Err(Refused::OtherMeaning)
    } else {
        Ok(())
    }
}

fn read_block(mut block: &[u64], layout: &Layout) -> Block {
    let mut records = Vec::with_capacity(layout.records.len());
    for &words in layout.records {
        let (one, rest) = block.split_at(record(words).min(block.len()));
        records.push(read_record(one, words.into()));
        block = rest;
    }
    records
}

fn read_record(record: &[u64], words: usize) -> Option<Vec<u64>> {
    let (&times, banks) = record.split_first()?;
    let bank = banks.chunks_exact(words).nth((times % 2) as usize)?;
    (times > 0).then(|| bank.to_vec())
}
