//! What other threads have to say to the control loop.

use crate::config::EthernetId;
use crate::switch::GuardNews;
use crate::veth::{Departures, Report};
use niv::VifId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use vic::VifCounters;
use vic::session::vis::VisEvent;

/// Something happened elsewhere.
#[derive(Debug)]
pub(super) enum News {
    /// A session said something.
    Event(EthernetId, VisEvent),
    /// A session did what it was told.
    Report(EthernetId, Report),
    /// The worker has loaded a switch that does without these.
    Departed(Departures),
    /// Guards have something to tell.
    Guards(GuardNews),
}

/// Holds news until the control loop comes by. Nobody who puts some in ever waits: link control must not.
///
/// It stays small: what a peer can make happen often is counters, of which the last ones are kept, and
/// requests, which it has answered a few at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<Held>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Held {
    news: VecDeque<News>,
    counters: BTreeMap<(EthernetId, VifId), VifCounters>,
}

impl Inbox {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Each change to it is complete in itself.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, news: News) {
        {
            let mut held = self.held();
            match news {
                News::Event(link, VisEvent::Counters { vif, counters }) => {
                    held.counters.insert((link, vif), counters);
                }
                other => held.news.push_back(other),
            }
        }
        self.0.arrived.notify_one();
    }

    /// Until there is something.
    pub(super) async fn wait(&self) {
        self.0.arrived.notified().await;
    }

    pub(super) fn take(&self) -> Vec<News> {
        let mut held = self.held();
        let mut news: Vec<News> = std::mem::take(&mut held.news).into();
        let counters = std::mem::take(&mut held.counters);
        news.extend(counters.into_iter().map(|((link, vif), counters)| {
            News::Event(link, VisEvent::Counters { vif, counters })
        }));
        news
    }
}
