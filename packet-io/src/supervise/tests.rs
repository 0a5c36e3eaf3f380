use super::*;
use crate::dispatch::Outgoing;
use crate::link::{BlockingLinks, LinkInfo, VethEnd, Watch};
use crate::netns::NetNs;
use crate::port::RxFrame;
use crate::privileged::privileged;
use niv::{DropReason, Weight};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Takes frames and does nothing with them.
struct Sink;

impl Forward for Sink {
    fn begin(&mut self, _now: Instant) {}
    fn frame(&mut self, _: PortId, _: u16, _: &RxFrame<'_>, _: &mut Vec<Outgoing>) {}
    fn fate(&mut self, _: &Outgoing, _: Weight, _: Result<(), DropReason>) {}
}

const ID: PortId = PortId(3);

fn wanted(mtu: u32) -> Vec<Wanted> {
    let usage = PortUse {
        pad: true,
        offload: false,
    };
    vec![Wanted {
        id: ID,
        name: "t-dev".into(),
        role: Role::Uplink,
        mtu,
        roomy: false,
        usage,
    }]
}

/// A folder that goes with the test.
struct StateFolder(PathBuf);

impl StateFolder {
    fn new() -> Self {
        let name = format!(
            "packet-io-supervise-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        Self(std::env::temp_dir().join(name))
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `body` on a thread inside a fresh namespace, with a worker.
fn in_a_namespace(body: impl AsyncFnOnce(&Links, Handle<Worker<Sink>>) + Send) {
    let ns = NetNs::create().unwrap();
    ns.run(|| {
        let links = BlockingLinks::open().unwrap();
        let worker = Worker::spawn("t-sink", Sink).unwrap();
        links.run(async |links| body(links, worker.clone()).await);
        worker.ask(Worker::stop).unwrap();
    })
    .unwrap();
}

async fn make(links: &Links) {
    let (one, other) = (VethEnd::new("t-dev"), VethEnd::new("t-far"));
    links.add_veth(one, other).await.unwrap();
    let far = links.require("t-far").await.unwrap();
    links.set_up(far.index, true).await.unwrap();
}

/// Feeds events until the device's status is as `enough` wants it.
async fn until(
    supervisor: &mut Supervisor<Sink>,
    watch: &mut Watch,
    enough: impl Fn(&Status) -> bool,
) {
    let wait = async {
        while !supervisor.status(ID).is_some_and(|status| enough(&status)) {
            let event = watch.next().await.unwrap();
            supervisor.on_event(&event).await;
        }
    };
    let patience = Duration::from_secs(20);
    let done = tokio::time::timeout(patience, wait).await;
    assert!(done.is_ok(), "{:?}", supervisor.status(ID));
}

#[test]
fn a_device_is_taken_when_it_appears_and_again_after_it_vanished() {
    privileged(|| {
        in_a_namespace(async |links, worker| {
            let mut watch = links.watch().unwrap();
            let folder = StateFolder::new();
            let formers = Formers::in_folder(&folder.0, links.namespace()).unwrap();
            let ring = PacketOptions::default();
            let mut supervisor =
                Supervisor::start(links.clone(), worker, wanted(1510), ring, formers)
                    .await
                    .unwrap();
            assert_eq!(supervisor.status(ID), Some(Status::Missing));
            for _ in 0..2 {
                make(links).await;
                until(&mut supervisor, &mut watch, |status| {
                    matches!(status, Status::InUse { carrier: true, .. })
                })
                .await;
                assert_eq!(links.require("t-dev").await.unwrap().mtu, 1510);
                let index = links.require("t-dev").await.unwrap().index;
                links.delete(index).await.unwrap();
                until(&mut supervisor, &mut watch, |status| {
                    *status == Status::Missing
                })
                .await;
            }
            make(links).await;
            until(&mut supervisor, &mut watch, |status| {
                matches!(status, Status::InUse { .. })
            })
            .await;
            supervisor.restore().await;
            assert_eq!(links.require("t-dev").await.unwrap().mtu, 1500);
            assert_eq!(folder.files(), 0);
        });
    });
}

#[test]
fn a_device_that_will_not_do_is_refused_at_start_and_left_as_it_was() {
    privileged(|| {
        in_a_namespace(async |links, worker| {
            make(links).await;
            let folder = StateFolder::new();
            let formers = Formers::in_folder(&folder.0, links.namespace()).unwrap();
            let ring = PacketOptions::default();
            let refused =
                Supervisor::start(links.clone(), worker, wanted(100_000), ring, formers).await;
            let says = refused.map(|_| ()).unwrap_err().to_string();
            assert!(says.contains("100000"), "{says}");
            let info = links.require("t-dev").await.unwrap();
            assert_eq!((info.mtu, info.promiscuous, info.up), (1500, false, false));
        });
    });
}

#[test]
fn devices_are_added_many_at_once_and_given_back_one_by_one() {
    privileged(|| {
        in_a_namespace(async |links, worker| {
            let folder = StateFolder::new();
            let formers = Formers::in_folder(&folder.0, links.namespace()).unwrap();
            let ring = PacketOptions {
                slots: 128,
                ..PacketOptions::default()
            };
            let mut supervisor =
                Supervisor::start(links.clone(), worker.clone(), Vec::new(), ring, formers)
                    .await
                    .unwrap();
            let mut tasks = JoinSet::new();
            let name = |n: u16| format!("t-dev{n}");
            // The last one is not there.
            for n in 0..17 {
                if n < 16 {
                    let far = format!("t-far{n}");
                    let (one, other) = (name(n), VethEnd::new(&far));
                    links.add_veth(VethEnd::new(&one), other).await.unwrap();
                }
                let wanted = Wanted {
                    id: PortId(n),
                    name: name(n),
                    ..wanted(1500).remove(0)
                };
                supervisor.add(wanted.clone());
                let taker = supervisor.taker();
                tasks.spawn(async move { (wanted.id, taker.take(&wanted).await) });
            }
            let mut gone = 0;
            while let Some(done) = tasks.join_next().await {
                let (id, taken) = done.unwrap();
                assert_eq!(supervisor.status(id), Some(Status::Missing));
                let taken = taken.map_err(|error| error.to_string());
                if id == PortId(3) {
                    // It vanishes before control hears that it was taken.
                    let index = links.require(&name(3)).await.unwrap().index;
                    links.delete(index).await.unwrap();
                    let (name, carrier) = (
                        name(3),
                        LinkEvent::Gone {
                            index,
                            name: name(3),
                        },
                    );
                    assert_eq!(supervisor.on_event(&carrier).await, None, "{name}");
                    gone += 1;
                }
                supervisor.taken(id, taken).await;
            }
            assert_eq!(gone, 1);
            let (_, balances) = supervisor.balance(|_| ()).await.unwrap();
            assert_eq!(balances.len(), 15);
            assert_eq!(supervisor.status(PortId(16)), Some(Status::Missing));
            assert_eq!(supervisor.status(PortId(3)), Some(Status::Missing));
            for n in 0..17 {
                supervisor.remove(PortId(n)).await;
                assert_eq!(supervisor.status(PortId(n)), None);
            }
            let info = links.require(&name(0)).await.unwrap();
            assert!(!info.up && !info.promiscuous);
            let left = worker.answer(|w| w.passed(PortId(0))).await.unwrap();
            assert_eq!(left, None);
            assert_eq!(folder.files(), 0);
        });
    });
}

async fn started(
    links: &Links,
    worker: Handle<Worker<Sink>>,
    folder: &StateFolder,
) -> Supervisor<Sink> {
    let formers = Formers::in_folder(&folder.0, links.namespace()).unwrap();
    let ring = PacketOptions::default();
    Supervisor::start(links.clone(), worker, wanted(1510), ring, formers)
        .await
        .unwrap()
}

#[test]
fn a_device_that_comes_back_has_the_carrier_it_was_taken_with() {
    privileged(|| {
        in_a_namespace(async |links, worker| {
            let folder = StateFolder::new();
            let mut supervisor = started(links, worker, &folder).await;
            make(links).await;
            // What the kernel said of it first is older than what it says when the device is taken.
            let event = LinkEvent::Changed(links.require("t-dev").await.unwrap());
            assert!(matches!(&event, LinkEvent::Changed(info) if !info.carrier));
            let change = supervisor.on_event(&event).await;
            assert_eq!(change, Some(Change::Carrier { id: ID, up: true }));
            supervisor.restore().await;
        });
    });
}

#[test]
fn what_others_change_about_a_device_in_use_is_told_and_it_stays_promiscuous() {
    privileged(|| {
        in_a_namespace(async |links, worker| {
            make(links).await;
            let folder = StateFolder::new();
            let mut supervisor = started(links, worker, &folder).await;
            let info = links.require("t-dev").await.unwrap();
            assert!(info.promiscuous && supervisor.meddled(ID).is_none());
            // An event from before it was made ready is no news.
            let older = LinkInfo {
                mtu: 1500,
                promiscuous: false,
                ..info.clone()
            };
            supervisor.on_event(&LinkEvent::Changed(older)).await;
            assert_eq!(supervisor.meddled(ID), None);
            assert_eq!(supervisor.mtu_if_not(ID, info.mtu).await, None);

            let mac = Mac([2, 0, 0, 0, 0, 0x77]);
            links.set_mtu(info.index, 1400).await.unwrap();
            links.set_mac(info.index, mac).await.unwrap();
            links.set_promiscuous(info.index, false).await.unwrap();
            let now = links.require("t-dev").await.unwrap();
            supervisor.on_event(&LinkEvent::Changed(now)).await;
            let said = supervisor.meddled(ID).unwrap();
            assert!(
                said.contains("lowered to 1400") && said.contains("1510"),
                "{said}"
            );
            assert!(said.contains(&mac.to_string()), "{said}");
            assert_eq!(supervisor.mtu_if_not(ID, info.mtu).await, Some(1400));
            assert_eq!(supervisor.mtu_if_not(ID, 1400).await, None);
            assert!(links.require("t-dev").await.unwrap().promiscuous);

            links.set_mtu(info.index, 1510).await.unwrap();
            links.set_mac(info.index, info.mac.unwrap()).await.unwrap();
            let now = links.require("t-dev").await.unwrap();
            supervisor.on_event(&LinkEvent::Changed(now)).await;
            assert_eq!(supervisor.meddled(ID), None);
            supervisor.restore().await;
        });
    });
}
