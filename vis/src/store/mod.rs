//! What of the switch outlives its process: every vEth of the control protocol, by the UUID of its vNIC
//! (design.md section 4.11).
//!
//! One file, one table, one versioned value for each vEth. A thread of its own writes, at most so often
//! ([`WRITE_EVERY`]), so that neither a slow disk nor a busy host holds up anything else. What a crash
//! within that time loses, the IV says again: it offers the id it had, and only the number of a vNIC that was
//! attached in the last moment can be another.
//!
//! What vEths have counted is in it too, but for the last minute: that is in [`blocks`].

pub mod blocks;
pub mod choices;
pub mod secure;

use crate::config::{InterfaceId, VethId};
use crate::switch::SecureList;
use crate::veth::{Kept, KeptUuid};
use choices::{Choice, ChoiceChanges};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use secure::SecureChanges;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tracing::error;
use vic::Uuid;

/// The least time between two writes.
pub const WRITE_EVERY: Duration = Duration::from_millis(100);

/// Under one key, who the switch is.
const SWITCH: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("switch");
const IDENTITY: &str = "identity";

const VETHS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("veths");

/// The store cannot be had.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "{path} is in use: another `vis` runs with this state folder; name another one with --state"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is no store, is damaged, or cannot be read or written.
    #[error(
        "the vEths cannot be read from {path}: make it readable and writable, or move it away; \
         without it vEths are numbered anew"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// An entry cannot be understood.
    #[error(
        "{path} has an entry for vNIC {uuid} that this release cannot read: run the release that \
         wrote it, or move the file away; without it vEths are numbered anew"
    )]
    Entry {
        /// The file.
        path: PathBuf,
        /// Whose.
        uuid: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry cannot be understood.
    #[error(
        "{path} has secure addresses of {interface} that this release cannot read: run the release that wrote \
         it, or move the file away; without it vEths are numbered anew"
    )]
    Secure {
        /// The file.
        path: PathBuf,
        /// Whose.
        interface: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry cannot be understood.
    #[error(
        "{path} has the port profile attached to vEth {veth}, which this release cannot read: run the release that wrote \
         it, or move the file away; without it vEths are numbered anew"
    )]
    Choice {
        /// The file.
        path: PathBuf,
        /// Whose.
        veth: String,
        /// Why.
        source: serde_json::Error,
    },
    /// What there was to write is not on disk.
    #[error(
        "the vEths cannot be written to {path}: make room on its disk; the log says what the system said"
    )]
    Unwritten {
        /// The file.
        path: PathBuf,
    },
    /// No folder or thread.
    #[error("cannot keep vEths in {path}")]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Who the switch is, for IVs: drawn when the store was made.
    pub identity: Uuid,
    /// Its vEths.
    pub veths: Vec<(Uuid, Kept)>,
    /// Sticky secure addresses of its interfaces.
    pub secure: BTreeMap<InterfaceId, SecureList>,
    /// Port profiles that were attached to vEths, and are in no file yet.
    pub choices: BTreeMap<VethId, Choice>,
}

/// The store. Dropped, it writes what is left and closes.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

type Changes = Vec<(Uuid, Option<Kept>)>;

/// What the thread is told.
#[derive(Debug)]
enum Order {
    Keep(Changes),
    Secure(InterfaceId, Option<SecureList>),
    Choice(VethId, Option<Choice>),
    /// Write now, and say whether all of it is on disk.
    Flush(Sender<bool>),
}

impl Store {
    /// Opens the store at `path`, or makes it, and reads what it says. A switch without an identity gets
    /// `identity`.
    ///
    /// # Errors
    /// It is another process's, is damaged, or there is no room.
    pub fn open(path: &Path, identity: Uuid) -> Result<(Self, Contents), StoreError> {
        let system = |source| StoreError::System {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            // A folder that is there is somebody's choice.
            let mut make = DirBuilder::new();
            make.recursive(true).mode(0o700);
            make.create(folder).map_err(system)?;
        }
        for_its_owner_only(path).map_err(system)?;
        let (database, contents) = load(path, identity, |builder| builder.create(path))?;
        let (orders, ordered) = channel();
        let name = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("vis-store".into())
            .spawn(move || keep(&database, &ordered, &name))
            .map_err(system)?;
        let store = Self {
            path: path.to_owned(),
            orders: Some(orders),
            thread: Some(thread),
        };
        Ok((store, contents))
    }

    /// Has these written, soon.
    pub fn keep(&self, changes: Vec<(Uuid, Option<Kept>)>) {
        if let Some(sender) = self.orders.as_ref().filter(|_| !changes.is_empty()) {
            // The thread ends only with the store.
            let _ = sender.send(Order::Keep(changes));
        }
    }

    /// Has an interface's sticky secure addresses written, soon; `None`: it has none.
    pub fn keep_secure(&self, interface: InterfaceId, addresses: Option<SecureList>) {
        if let Some(sender) = &self.orders {
            // The thread ends only with the store.
            let _ = sender.send(Order::Secure(interface, addresses));
        }
    }

    /// Has the port profile written that was attached to a vEth, soon; `None`: none was, or a file says it.
    pub fn keep_choice(&self, veth: VethId, choice: Option<Choice>) {
        if let Some(sender) = &self.orders {
            // The thread ends only with the store.
            let _ = sender.send(Order::Choice(veth, choice));
        }
    }

    /// Waits until everything is on disk. For the start and the end of a daemon: a disk may be slow.
    ///
    /// # Errors
    /// It could not be written; it is tried again later.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (done, written) = channel();
        // The thread ends only with the store.
        let sent = self
            .orders
            .as_ref()
            .is_some_and(|sender| sender.send(Order::Flush(done)).is_ok());
        match sent && written.recv().unwrap_or(false) {
            true => Ok(()),
            false => Err(StoreError::Unwritten {
                path: self.path.clone(),
            }),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

/// It names every vNIC and whose it is, and who writes it says which vNIC gets which vEth. An empty file is a new store.
fn for_its_owner_only(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    match mode & !0o600 {
        0 => Ok(()),
        _ => file.set_permissions(Permissions::from_mode(mode & 0o600)),
    }
}

fn unreadable(path: &Path, source: impl Into<redb::Error>) -> StoreError {
    StoreError::Unreadable {
        path: path.to_owned(),
        source: Box::new(source.into()),
    }
}

/// Opens the database of the store at `path` with `open`, and reads it; what every store has is made where it is
/// missing.
///
/// # Errors
/// It is another process's, cannot be read, or has an entry that cannot be understood.
pub fn load(
    path: &Path,
    identity: Uuid,
    open: impl FnOnce(&mut Builder) -> Result<Database, DatabaseError>,
) -> Result<(Database, Contents), StoreError> {
    let mut builder = Database::builder();
    // Else it would follow any damaged octets, to pages of terabytes. What it can repair is good again.
    builder.set_check_integrity_on_open(true);
    // redb panics at some files that are not as it wrote them.
    let damaged = |_| unreadable(path, redb::Error::Corrupted("it is damaged".to_owned()));
    let opened = catch_unwind(AssertUnwindSafe(|| open(&mut builder))).map_err(damaged)?;
    let database = ManuallyDrop::new(opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse {
            path: path.to_owned(),
        },
        other => unreadable(path, other),
    })?);
    // Closing one at which it panicked, it panics once more, and two panics at once end the process: so it is not closed.
    let read = catch_unwind(AssertUnwindSafe(|| contents(&database, path, identity)));
    let contents = read.map_err(damaged)?;
    let database = ManuallyDrop::into_inner(database);
    match contents {
        Ok(contents) => Ok((database, contents)),
        Err(error) => {
            catch_unwind(AssertUnwindSafe(|| drop(database))).map_err(damaged)?;
            Err(error)
        }
    }
}

fn contents(database: &Database, path: &Path, identity: Uuid) -> Result<Contents, StoreError> {
    let Tables {
        identity,
        veths: entries,
        secure: secured,
        choices: chosen,
    } = read(database, identity).map_err(|error| unreadable(path, error))?;
    let mut veths = Vec::new();
    for (uuid, value) in entries {
        veths.push(entry(&uuid, &value).map_err(|source| StoreError::Entry {
            path: path.to_owned(),
            uuid,
            source,
        })?);
    }
    let mut secure = BTreeMap::new();
    for (interface, value) in secured {
        let entry = secure::entry(&value).map_err(|source| StoreError::Secure {
            path: path.to_owned(),
            interface,
            source,
        })?;
        secure.extend([entry]);
    }
    let mut choices = BTreeMap::new();
    for (veth, value) in chosen {
        let entry = choices::entry(&value).map_err(|source| StoreError::Choice {
            path: path.to_owned(),
            veth,
            source,
        })?;
        choices.extend([entry]);
    }
    Ok(Contents {
        identity,
        veths,
        secure,
        choices,
    })
}

/// What one entry says.
///
/// # Errors
/// The key is no UUID, or the value none that this release writes.
pub fn entry(uuid: &str, value: &[u8]) -> Result<(Uuid, Kept), serde_json::Error> {
    let key: KeptUuid = serde_json::from_value(uuid.into())?;
    Ok((key.0, serde_json::from_slice(value)?))
}

type Entries = Vec<(String, Vec<u8>)>;

/// Everything, as it stands there.
struct Tables {
    identity: Uuid,
    veths: Entries,
    secure: Entries,
    choices: Entries,
}

fn read(database: &Database, identity: Uuid) -> Result<Tables, redb::Error> {
    // Makes the tables where there are none.
    let transaction = database.begin_write()?;
    drop(transaction.open_table(VETHS)?);
    drop(transaction.open_table(secure::SECURE)?);
    drop(transaction.open_table(choices::CHOICES)?);
    let identity = {
        let mut switch = transaction.open_table(SWITCH)?;
        let known = switch.get(IDENTITY)?.map(|value| value.value().to_owned());
        match known.and_then(|octets| octets.try_into().ok()) {
            Some(octets) => Uuid(octets),
            None => {
                switch.insert(IDENTITY, identity.0.as_slice())?;
                identity
            }
        }
    };
    transaction.commit()?;
    let transaction = database.begin_read()?;
    Ok(Tables {
        identity,
        veths: entries(&transaction.open_table(VETHS)?)?,
        secure: entries(&transaction.open_table(secure::SECURE)?)?,
        choices: entries(&transaction.open_table(choices::CHOICES)?)?,
    })
}

/// Every entry, by its key, as it stands there.
fn entries(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Entries, redb::Error> {
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        entries.push((key.value().to_owned(), value.value().to_owned()));
    }
    Ok(entries)
}

/// What is to be written: of each thing the last word.
#[derive(Default)]
struct Waiting {
    veths: BTreeMap<Uuid, Option<Kept>>,
    secure: SecureChanges,
    choices: ChoiceChanges,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.veths.is_empty() && self.secure.is_empty() && self.choices.is_empty()
    }
}

/// Writes what comes, several changes at a time, until nobody can say any more.
fn keep(database: &Database, ordered: &Receiver<Order>, path: &Path) {
    let mut waiting = Waiting::default();
    let mut next = Instant::now();
    let mut failed = false;
    loop {
        let more = match waiting.is_empty() {
            true => ordered.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => ordered.recv_timeout(next.saturating_duration_since(Instant::now())),
        };
        let (mut ended, mut flush) = (false, None);
        match more {
            Ok(Order::Keep(changes)) => waiting.veths.extend(changes),
            Ok(Order::Secure(interface, addresses)) => {
                waiting.secure.insert(interface, addresses);
            }
            Ok(Order::Choice(veth, choice)) => {
                waiting.choices.insert(veth, choice);
            }
            Ok(Order::Flush(done)) => flush = Some(done),
            Err(end) => ended = end == RecvTimeoutError::Disconnected,
        }
        let now = ended || flush.is_some() || Instant::now() >= next;
        if !waiting.is_empty() && now {
            match write(database, &waiting) {
                Ok(()) => {
                    waiting = Waiting::default();
                    failed = false;
                }
                // Said once; tried again until it works.
                Err(error) if !failed => {
                    error!("vEths cannot be written to {}: {error}", path.display());
                    failed = true;
                }
                Err(_) => {}
            }
            next = Instant::now() + WRITE_EVERY;
        }
        if let Some(done) = flush {
            // Who asked may have gone.
            let _ = done.send(waiting.is_empty());
        }
        if ended {
            return;
        }
    }
}

fn write(database: &Database, waiting: &Waiting) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(VETHS)?;
        for (uuid, kept) in &waiting.veths {
            let key = uuid.to_string();
            match kept {
                Some(kept) => table.insert(&*key, serde_json::to_vec(kept)?.as_slice())?,
                None => table.remove(&*key)?,
            };
        }
    }
    secure::write(&transaction, &waiting.secure)?;
    choices::write(&transaction, &waiting.choices)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
