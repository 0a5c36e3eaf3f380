use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};

const LAYOUT: Layout = Layout {
    owner: *b"the switch, once",
    meaning: 77,
    records: &[3, 2],
    blocks: 100,
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("counters-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("a.counters")
    }

    fn left(&self) -> Result<Vec<Block>, Refused> {
        Leftover::read(&self.file(), LAYOUT).unwrap().blocks
    }

    fn begin(&self) -> CounterFile {
        Leftover::read(&self.file(), LAYOUT)
            .unwrap()
            .begin()
            .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file with two blocks that say something, as octets.
fn sample() -> (Vec<u8>, u128) {
    let mut words = LAYOUT.header(5).to_vec();
    words.extend([1, 0, 0, 0, 10, 11, 12]); // odd: the second bank
    words.extend([2, 20, 21, 0, 0]); // even: the first
    words.extend([0; 7 + 5]);
    (
        words.iter().flat_map(|word| word.to_ne_bytes()).collect(),
        5,
    )
}

#[test]
fn what_was_stored_is_there_after_the_writers_end() {
    let folder = Folder::new("end");
    assert_eq!(folder.left(), Ok(vec![]));
    let file = folder.begin();
    assert!(!file.store(0, 0, &[1, 2, 3]), "there is no room yet");
    file.grow(70).unwrap();
    assert!(file.store(69, 0, &[1, 2, 3]));
    assert!(file.store(69, 0, &[4, 5, 6]));
    assert!(
        file.store(99, 1, &[7, 8]),
        "it grows in steps, up to its most"
    );
    assert!(!file.store(100, 1, &[7, 8]));
    assert!(!file.store(0, 1, &[1]) && !file.store(0, 2, &[1]));
    assert_eq!(file.load(69, 0), Some(vec![4, 5, 6]));
    assert_eq!(file.load(69, 1), None);
    drop(file);
    let left = folder.left().unwrap();
    assert_eq!(left.len(), 100);
    assert_eq!(left[69], [Some(vec![4, 5, 6]), None]);
    assert_eq!(left[99], [None, Some(vec![7, 8])]);
    // The next one begins from nothing.
    let file = folder.begin();
    file.grow(1).unwrap();
    assert_eq!(file.load(0, 0), None);
    file.remove().unwrap();
    assert!(!folder.file().exists());
}

#[test]
fn two_writers_never_have_one_file() {
    let folder = Folder::new("two");
    let first = Leftover::read(&folder.file(), LAYOUT).unwrap();
    let first = first.begin().unwrap();
    let second = Leftover::read(&folder.file(), LAYOUT).unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    drop(first);
    let reading = Leftover::read(&folder.file(), LAYOUT).unwrap();
    assert!(Leftover::read(&folder.file(), LAYOUT).is_err());
    drop(reading);
    folder.begin();
}

#[test]
fn what_is_not_ours_is_not_read_and_is_replaced() {
    let folder = Folder::new("foreign");
    let (octets, _) = sample();
    let path = folder.file();
    let elsewhere = folder.0.join("elsewhere");
    fs::write(&elsewhere, &octets).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(folder.left(), Err(Refused::NoFile), "no link is followed");
    folder.begin();
    assert_eq!(fs::read(&elsewhere).unwrap(), octets);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
    assert_eq!(folder.left(), Err(Refused::NotPrivate));
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&path, &octets).unwrap();
    assert_eq!(folder.left(), Err(Refused::EarlierBoot));
    fs::write(&path, "a text of somebody's").unwrap();
    assert_eq!(folder.left(), Err(Refused::Short));
    folder.begin();
    assert_eq!(folder.left(), Ok(vec![]));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(folder.left(), Err(Refused::NoFile));
    let left = Leftover::read(&path, LAYOUT).unwrap();
    assert!(matches!(left.begin(), Err(CounterFileError::System { .. })));
}

#[test]
fn a_file_that_is_cut_anywhere_but_between_blocks_is_refused() {
    let (octets, boot) = sample();
    let block = LAYOUT.block() * WORD;
    for length in 0..=octets.len() {
        let left = parse(&octets[..length], &LAYOUT, boot);
        let blocks = length.checked_sub(layout::HEADER * WORD);
        match blocks.filter(|octets| octets % block == 0) {
            Some(octets) => assert_eq!(left.unwrap().len(), octets / block),
            None => assert_eq!(left, Err(Refused::Short)),
        }
    }
    let mut long = octets.clone();
    long.resize(LAYOUT.words(101) * WORD, 0);
    assert_eq!(parse(&long, &LAYOUT, boot), Err(Refused::TooLong));
}

#[test]
fn every_changed_octet_of_the_header_is_seen() {
    let (octets, boot) = sample();
    for at in 0..layout::HEADER * WORD {
        for flip in 1..=255 {
            let mut changed = octets.clone();
            changed[at] ^= flip;
            let left = parse(&changed, &LAYOUT, boot);
            let wanted = match at {
                0..WORD => Refused::NoCounters,
                _ => Refused::Damaged,
            };
            assert_eq!(left, Err(wanted), "octet {at}");
        }
    }
}

#[test]
fn each_refusal_says_what_is_wrong() {
    let with = |layout: &Layout, boot| parse(&layout.header_octets(boot), &LAYOUT, 5);
    let other = |change: fn(&mut Layout)| {
        let mut layout = LAYOUT;
        change(&mut layout);
        with(&layout, 5)
    };
    assert_eq!(with(&LAYOUT, 5), Ok(vec![]));
    assert_eq!(with(&LAYOUT, 6), Err(Refused::EarlierBoot));
    assert_eq!(other(|l| l.owner[3] = 0), Err(Refused::OtherOwner));
    assert_eq!(other(|l| l.meaning = 78), Err(Refused::OtherMeaning));
    assert_eq!(other(|l| l.records = &[2, 3]), Err(Refused::OtherMeaning));
    assert_eq!(other(|l| l.blocks = 99), Err(Refused::OtherMeaning));
}

#[test]
fn a_reader_never_sees_a_part_of_a_record() {
    let folder = Folder::new("torn");
    let file = folder.begin();
    file.grow(1).unwrap();
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut seen) = (0, 0);
            while last < 200_000 {
                if let Some(words) = file.load(0, 0) {
                    assert_eq!(words, [words[0], words[0] + 1, words[0] + 2]);
                    assert!(words[0] >= last);
                    seen += usize::from(words[0] > last);
                    last = words[0];
                }
            }
            seen
        });
        for number in 1..=200_000 {
            file.store(0, 0, &[number, number + 1, number + 2]);
        }
        reader.join().unwrap()
    });
    assert!(seen > 0);
}

proptest! {
    /// A writer that is killed has done some of its stores to memory, in their order, and none of the others.
    #[test]
    fn a_writer_killed_at_any_store_leaves_the_record_before_or_the_one_after(
        times in 0u64..4, old in any::<[u64; 3]>(), new in any::<[u64; 3]>(), done in 0usize..5,
    ) {
        let mut words = LAYOUT.header(5).to_vec();
        let mut record = [times, 0, 0, 0, 0, 0, 0];
        let bank = |times: u64| 1 + 3 * (times % 2) as usize;
        record[bank(times)..][..3].copy_from_slice(&old);
        for (at, word) in new.iter().enumerate().take(done) {
            record[bank(times + 1) + at] = *word;
        }
        if done == 4 {
            record[0] = times + 1;
        }
        words.extend(record);
        words.extend([0; 5]);
        let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let left = parse(&octets, &LAYOUT, 5).unwrap();
        let wanted = match (done, times) {
            (4, _) => Some(new.to_vec()),
            (_, 0) => None,
            _ => Some(old.to_vec()),
        };
        prop_assert_eq!(&left[0][0], &wanted);
    }

    #[test]
    fn no_octets_break_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..1000), boot in any::<u128>()) {
        let (mut sample, _) = sample();
        let _ = parse(&octets, &LAYOUT, boot);
        let at = sample.len().min(layout::HEADER * WORD);
        sample.truncate(at);
        sample.extend(octets);
        if let Ok(blocks) = parse(&sample, &LAYOUT, 5) {
            prop_assert_eq!(blocks.len() * LAYOUT.block() * WORD, sample.len() - at);
        }
    }
}
