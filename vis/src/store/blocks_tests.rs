use super::*;
use niv::{DropReason, Total, Weight};
use packet_io::counter_file::Leftover;
use std::path::PathBuf;

const SWITCH: Uuid = Uuid([7; 16]);
const A: Uuid = Uuid([0xA; 16]);
const B: Uuid = Uuid([0xB; 16]);

fn slot(index: u16, generation: u16) -> Slot {
    Slot { index, generation }
}

fn sent(frames: u32) -> Counters {
    let mut counters = Counters::default();
    counters.sent(Weight {
        frames,
        octets: 60 * frames,
    });
    counters
}

/// A machine with a disk, on which a switch lives several times.
struct Machine {
    folder: PathBuf,
    /// The double of the store: what is synced.
    disk: BTreeMap<Uuid, Counters>,
    /// What was kept, by everything that ever lived.
    truth: BTreeMap<Uuid, Counters>,
}

/// The process is no more.
#[derive(Debug, PartialEq)]
struct Killed;

/// One life, which ends at the step where no steps are left.
struct Life<'a> {
    machine: &'a mut Machine,
    steps: usize,
    /// What this process says that each counted in earlier lives.
    earlier: BTreeMap<Uuid, Counters>,
    live: BTreeMap<Uuid, Counters>,
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("vis-blocks-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            disk: BTreeMap::new(),
            truth: BTreeMap::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("vis.counters")
    }

    fn left(&self) -> Leftover {
        Leftover::read(&self.path(), layout(SWITCH, 100)).unwrap()
    }

    /// What a process would start from.
    fn recalled(&self) -> BTreeMap<Uuid, Counters> {
        let mut all = self.disk.clone();
        for (uuid, total) in totals(&self.left().blocks.unwrap()) {
            let known = all.entry(uuid).or_default();
            *known = known.later(&total);
        }
        all
    }

    /// Returns how many steps there were.
    fn live(&mut self, steps: usize, slots: [Slot; 2]) -> usize {
        let mut life = Life {
            machine: self,
            steps,
            earlier: BTreeMap::new(),
            live: BTreeMap::new(),
        };
        let _ = life.run(slots);
        steps - life.steps
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Life<'_> {
    /// The process may be killed here.
    fn step(&mut self) -> Result<(), Killed> {
        self.steps = self.steps.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    fn run(&mut self, slots: [Slot; 2]) -> Result<(), Killed> {
        let left = self.machine.left();
        self.earlier = self.machine.recalled_from(&left);
        self.step()?;
        self.machine.disk.clone_from(&self.earlier);
        self.step()?;
        // A file that was not given its name yet.
        std::fs::write(self.machine.path().with_extension("new"), "half").unwrap();
        self.step()?;
        let file = Arc::new(left.begin().unwrap());
        self.step()?;
        file.grow(10).unwrap();
        self.step()?;
        let mut blocks = Blocks::new(file.clone());
        for (uuid, slot) in [A, B].into_iter().zip(slots) {
            let earlier = self.earlier.entry(uuid).or_default();
            blocks.assign(slot, uuid, earlier);
            self.step()?;
        }
        for round in 0..3 {
            for (uuid, slot) in [A, B].into_iter().zip(slots) {
                let live = self.live.entry(uuid).or_default();
                live.forward(Weight::one(60));
                live.list(Total {
                    frames: 1,
                    octets: 60,
                });
                if round == 1 {
                    live.drop_received(DropReason::Shut, Weight::one(60));
                }
                blocks.keep(slot, live, round == 1);
                let total = live.saturating_add(&self.earlier[&uuid]);
                self.machine.truth.insert(uuid, total);
                self.step()?;
            }
            self.tell_store();
            self.step()?;
        }
        self.tell_store();
        self.step()?;
        file.remove().unwrap();
        self.step()
    }

    fn tell_store(&mut self) {
        for (uuid, live) in &self.live {
            let total = live.saturating_add(&self.earlier[uuid]);
            self.machine.disk.insert(*uuid, total);
        }
    }
}

impl Machine {
    fn recalled_from(&self, left: &Leftover) -> BTreeMap<Uuid, Counters> {
        let mut all = self.disk.clone();
        for (uuid, total) in totals(left.blocks.as_ref().unwrap()) {
            let known = all.entry(uuid).or_default();
            *known = known.later(&total);
        }
        all
    }
}

#[test]
fn wherever_a_switch_is_killed_everything_it_kept_counts_once() {
    let (first, second) = ([slot(0, 0), slot(1, 0)], [slot(9, 0), slot(0, 0)]);
    let whole = Machine::new("whole").live(usize::MAX, first);
    assert!(whole > 15, "{whole} steps");
    for one in 0..=whole {
        for two in 0..=whole {
            let mut machine = Machine::new("killed");
            machine.live(one, first);
            machine.live(two, second);
            let recalled = machine.recalled();
            for (uuid, truth) in &machine.truth {
                assert_eq!(
                    recalled.get(uuid),
                    Some(truth),
                    "after {one} and {two} steps"
                );
                assert_eq!(truth.imbalance().ingress, 0);
            }
        }
    }
}

#[test]
fn the_end_of_the_machine_leaves_what_the_store_had() {
    let mut machine = Machine::new("machine");
    let steps = machine.live(usize::MAX, [slot(0, 0), slot(1, 0)]);
    let total = machine.truth[&A];
    // Killed in the last round but one; /run is gone.
    machine.live(steps - 4, [slot(0, 0), slot(1, 0)]);
    std::fs::remove_file(machine.path()).unwrap();
    let recalled = machine.recalled()[&A];
    assert!(recalled.ingress.received.frames > total.ingress.received.frames);
    assert!(recalled.ingress.received.frames < machine.truth[&A].ingress.received.frames);
}

#[test]
fn a_block_never_takes_what_another_vnics_veth_counts() {
    let machine = Machine::new("reuse");
    let file = Arc::new(machine.left().begin().unwrap());
    file.grow(10).unwrap();
    let mut blocks = Blocks::new(file);
    blocks.keep(slot(3, 0), &sent(1), false);
    blocks.assign(slot(3, 0), A, &sent(10));
    blocks.keep(slot(3, 0), &sent(2), true);
    blocks.keep(slot(3, 0), &sent(5), false);
    let read = |blocks: Blocks| {
        drop(blocks);
        totals(&machine.left().blocks.unwrap())
    };
    // The place gets another holder: what the old one would still store is nobody's.
    blocks.release(3);
    blocks.assign(slot(3, 1), B, &Counters::default());
    blocks.keep(slot(3, 0), &sent(100), true);
    blocks.keep(slot(3, 1), &sent(4), false);
    let totals = read(blocks);
    assert_eq!(totals.into_iter().collect::<Vec<_>>(), [(B, sent(4))]);
}

#[test]
fn of_several_accounts_the_later_counts_and_nonsense_does_not() {
    let owner = |uuid: u64, earlier: &Counters| {
        let mut words = vec![0, uuid];
        words.extend(earlier.to_words());
        Some(words)
    };
    let live = |counters: &Counters| Some(counters.to_words().to_vec());
    let traffic = |counters: &Counters| Some(counters.traffic_words().to_vec());
    let mut absurd = sent(1);
    absurd.egress.sent.octets = u64::MAX;
    let blocks = [
        vec![owner(1, &sent(1)), None, None],
        vec![owner(1, &sent(1)), live(&sent(2)), traffic(&sent(3))],
        vec![owner(1, &sent(1)), live(&sent(1)), None],
        vec![owner(2, &absurd), live(&sent(1)), None],
        vec![owner(2, &sent(1)), live(&absurd), None],
        vec![owner(2, &sent(1)), live(&sent(1)), traffic(&absurd)],
        vec![owner(0, &sent(1)), live(&sent(1)), None],
        vec![None, live(&sent(1)), None],
        vec![Some(vec![1]), None, None],
        vec![Some(vec![0, 3]), None, None],
        vec![owner(4, &sent(1)), Some(vec![1]), Some(vec![1; 1000])],
        vec![],
    ];
    let totals: Vec<_> = totals(&blocks).into_iter().collect();
    assert_eq!(totals, [(Uuid(1u128.to_be_bytes()), sent(4))]);
}
