//! What vEths count, kept beyond this process: blocks for the worker, totals for the store
//! (`crate::store::blocks` says why nothing is counted twice).

use super::forward::Switching;
use super::run::{Daemon, RunError};
use crate::config::InterfaceId;
use crate::store::Store;
use crate::store::blocks::{layout, totals};
use crate::switch::{Keep, Slots};
use crate::veth::Registry;
use niv::{Counters, Slot};
use packet_io::counter_file::{CounterFile, Leftover};
use packet_io::mailbox::{Handle, WorkerGone};
use packet_io::worker::Worker;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};
use vic::Uuid;

/// How often the store is told what was counted (ours): what a power cut may lose.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The blocks, as far as control knows them.
pub(super) struct Counting {
    file: Arc<CounterFile>,
    path: Box<Path>,
    /// Which vNIC's vEth has which block.
    holders: BTreeMap<Uuid, Slot>,
    told: Instant,
    /// There was no room for another block; people know.
    is_full: bool,
}

impl Counting {
    /// Takes in what another process of this switch left, and makes a new file once that is on disk.
    ///
    /// # Errors
    /// Another process writes the file, or it, or the store, cannot be written.
    pub(super) fn start(
        folder: &Path,
        identity: Uuid,
        blocks: u16,
        registry: &mut Registry,
        store: &Store,
    ) -> Result<Self, RunError> {
        let path = folder.join(format!("vis-{identity}.counters"));
        let left = Leftover::read(&path, layout(identity, blocks))?;
        match &left.blocks {
            Ok(blocks) => registry.recall(&totals(blocks)),
            Err(why) => warn!(
                "counters in {} are left out: {why}; vEths go on from what the store has of them",
                path.display()
            ),
        }
        store.keep(registry.take_changes());
        store.flush()?;
        Ok(Self {
            file: Arc::new(left.begin()?),
            path: path.into(),
            holders: BTreeMap::new(),
            told: Instant::now(),
            is_full: false,
        })
    }

    /// What the worker writes to.
    pub(super) fn file(&self) -> Arc<CounterFile> {
        Arc::clone(&self.file)
    }

    /// The store is to be told again.
    fn is_due(&self) -> bool {
        self.told.elapsed() >= TELL_EVERY
    }

    /// At a clean end, when no frame comes any more: the store gets all of it, and the file goes.
    pub(super) async fn close(
        self,
        registry: &mut Registry,
        slots: &Slots<InterfaceId>,
        worker: &Handle<Worker<Switching>>,
        store: &Store,
    ) {
        let taken = take_counts(registry, slots, worker, store).await.is_ok();
        match store.flush() {
            Ok(()) if taken => {
                if let Err(error) = self.file.remove() {
                    info!("{} stays: {error}", self.path.display());
                }
            }
            // The file has them.
            Ok(()) => {}
            Err(error) => warn!("{error}"),
        }
    }
}

impl Daemon {
    /// Gives blocks to vEths that have a slot by now, before a switch with them is published, and takes those of
    /// forgotten ones.
    pub(super) fn give_blocks(&mut self) -> Result<(), WorkerGone> {
        let mut new = Vec::new();
        let mut had = std::mem::take(&mut self.counting.holders);
        for (uuid, record) in self.registry.records() {
            let Some(slot) = self.slots.get(&InterfaceId::Veth(record.number)) else {
                continue;
            };
            let before = had.remove(&uuid);
            if before != Some(slot) {
                if let Err(error) = self.counting.file.grow(usize::from(slot.index) + 1) {
                    if !std::mem::replace(&mut self.counting.is_full, true) {
                        let path = self.counting.path.display();
                        warn!(
                            "no room for the counters of more vEths in {path}: {error}; if `vis` is killed, \
                            theirs lose up to a minute"
                        );
                    }
                    had.extend(before.map(|slot| (uuid, slot)));
                    continue;
                }
                new.push((slot, uuid, record.earlier));
            }
            self.counting.holders.insert(uuid, slot);
        }
        let gone: Vec<u16> = had.into_values().map(|slot| slot.index).collect();
        if new.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.worker.tell(move |worker| {
            let Switching { switch, blocks, .. } = &mut worker.forward;
            for index in gone {
                blocks.release(index);
            }
            for (slot, uuid, earlier) in new {
                blocks.assign(slot, uuid, &earlier);
                if let Some(counters) = switch.counters(slot) {
                    blocks.keep(slot, &counters, true);
                }
            }
        })
    }

    /// Tells the store what vEths have counted, when it is time.
    pub(super) async fn tell_counts(&mut self) -> Result<(), WorkerGone> {
        if self.counting.is_due() {
            self.counting.told = Instant::now();
            take_counts(&mut self.registry, &self.slots, &self.worker, &self.store).await?;
        }
        Ok(())
    }
}

/// Asks the worker what vEths have counted, and tells the store.
async fn take_counts(
    registry: &mut Registry,
    slots: &Slots<InterfaceId>,
    worker: &Handle<Worker<Switching>>,
    store: &Store,
) -> Result<(), WorkerGone> {
    let records = registry.records();
    let places: Vec<(Uuid, Slot)> = records
        .filter_map(|(uuid, record)| Some((uuid, slots.get(&InterfaceId::Veth(record.number))?)))
        .collect();
    let count = move |worker: &mut Worker<Switching>| {
        let counters = |slot| worker.forward.switch.counters(slot);
        let each = places.into_iter();
        each.filter_map(|(uuid, slot)| Some((uuid, counters(slot)?)))
            .collect::<Vec<(Uuid, Counters)>>()
    };
    for (uuid, live) in worker.answer(count).await? {
        registry.counted(uuid, &live);
    }
    store.keep(registry.take_changes());
    Ok(())
}
