//! The file in which the switch keeps its vEths, with octets that are not as they were written.

use crate::input::Input;
use crate::marks::{mark, mark_variant};
use redb::{Builder, StorageBackend};
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::panic::{set_hook, take_hook};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use vic::Uuid;
use vis::store::{StoreError, entry, load};

const UUIDS: [&str; 2] = [
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "9f0b7f0e-0d5c-4a43-a8a8-2f4f0d4f7c11",
];

/// `data` is how the file of a store with two vEths was changed: pieces of an octet (how long), three (where) and so many
/// octets; a length of 0 cuts the file there.
///
/// # Panics
/// The reader does, or takes entries for good that are not as they were.
pub fn store_file(data: &[u8]) {
    let memory = Memory::good();
    let is_good = memory.with(|file| {
        let mut input = Input::new(data);
        while let Some([length, a, b, c]) = input.array() {
            let there = file.octets.len();
            let at = u32::from_be_bytes([0, a, b, c]) as usize % there.max(1);
            match input.take(length.into()) {
                [] => file.resize(at),
                new => file.overwrite(at, new),
            }
        }
        file.is_good()
    });
    let path = Path::new("vis.redb");
    let open = |builder: &mut Builder| {
        builder.set_cache_size(1 << 20);
        builder.create_with_backend(memory)
    };
    match quietly(|| load(path, Uuid([3; 16]), open)) {
        Ok((_, contents)) => {
            assert!(!is_good || (contents.identity, contents.veths.len()) == (Uuid([1; 16]), 2));
            mark("vEths read", contents.veths.len());
        }
        Err(error) => {
            assert!(!is_good, "{error}");
            mark_variant("refused", &error);
            if let StoreError::Unreadable { source, .. } = &error {
                mark_variant("unreadable", source);
            }
        }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// `work`, whose panics are its own affair: a fuzzer ends at every panic, caught or not.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            // Without a fuzzer somebody looks at it.
            if !(cfg!(fuzzing) && QUIET.get()) {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let done = work();
    QUIET.set(false);
    done
}

/// The file of a store with two vEths.
fn store() -> &'static [u8] {
    static STORE: OnceLock<Vec<u8>> = OnceLock::new();
    STORE.get_or_init(|| make().unwrap_or_default())
}

fn make() -> Option<Vec<u8>> {
    let memory = Memory(Arc::default());
    let file = memory.clone();
    // Makes the tables and the identity.
    let opened = load(Path::new("vis.redb"), Uuid([1; 16]), |builder| builder.create_with_backend(memory));
    let (database, _) = opened.ok()?;
    let transaction = database.begin_write().ok()?;
    {
        let table = redb::TableDefinition::<&str, &[u8]>::new("veths");
        let mut table = transaction.open_table(table).ok()?;
        for (number, uuid) in UUIDS.into_iter().enumerate() {
            let value = value(number);
            assert!(entry(uuid, value.as_bytes()).is_ok());
            table.insert(uuid, value.as_bytes()).ok()?;
        }
    }
    transaction.commit().ok()?;
    drop(database);
    Some(file.with(|file| file.octets.clone()))
}

fn value(number: usize) -> String {
    format!(
        r#"{{"version":"1","number":{},"profile":"web","name":"tap0","owner_name":null,"owner_uuid":null,"mac":"02:00:00:00:00:01","mtu":1500,"place":{{"ethernet":1,"channel":{}}},"detached":false}}"#,
        number + 1,
        number + 7
    )
}

/// A file in memory, and what of it may not be as in [`store`]. It is long: only that is compared and made good.
#[derive(Debug, Default)]
struct File {
    octets: Vec<u8>,
    changed: Vec<Range<usize>>,
}

/// Longer than any store of so few vEths: a header that claims more is refused as on a full disk.
const MOST: u64 = 1 << 24;

impl File {
    fn resize(&mut self, length: usize) {
        let before = self.octets.len();
        if length < before {
            self.changed.push(length..before);
        }
        self.octets.resize(length, 0);
    }

    /// As much of `new` as there is room for before the end.
    fn overwrite(&mut self, at: usize, new: &[u8]) {
        let place = self.octets.get_mut(at..).unwrap_or_default();
        let length = new.len().min(place.len());
        let (place, new) = (place.get_mut(..length), new.get(..length));
        if let (Some(place), Some(new)) = (place, new) {
            place.copy_from_slice(new);
        }
        self.changed.push(at..at + length);
    }

    fn is_good(&self) -> bool {
        let good = store();
        let same = |range: &Range<usize>| self.octets.get(range.clone()) == good.get(range.clone());
        self.octets.len() == good.len() && self.changed.iter().all(same)
    }

    fn make_good(&mut self) {
        let good = store();
        self.octets.resize(good.len(), 0);
        for Range { start, end } in self.changed.drain(..) {
            let range = start.min(good.len())..end.min(good.len());
            if let (Some(place), Some(old)) = (self.octets.get_mut(range.clone()), good.get(range)) {
                place.copy_from_slice(old);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Memory(Arc<Mutex<File>>);

impl Memory {
    /// The store with two vEths. There is one of these in a thread, and who had it before is done with it.
    fn good() -> Self {
        thread_local! {
            static FILE: Memory = Memory(Arc::new(Mutex::new(File {
                octets: store().to_vec(),
                changed: Vec::new(),
            })));
        }
        let memory = FILE.with(Self::clone);
        memory.with(File::make_good);
        memory
    }

    fn with<T>(&self, work: impl FnOnce(&mut File) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.octets.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|file| {
            let rest = file.octets.get(offset as usize..).unwrap_or_default();
            let from = rest.get(..out.len());
            out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|file| match length {
            0..=MOST => {
                file.resize(length as usize);
                Ok(())
            }
            _ => Err(io::ErrorKind::StorageFull.into()),
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|file| {
            let room = (file.octets.len() as u64).saturating_sub(offset);
            if room < data.len() as u64 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.overwrite(offset as usize, data);
            Ok(())
        })
    }
}
