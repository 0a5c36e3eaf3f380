//! Our counts against the kernel's own.

use super::{State, SuperviseError, Supervisor};
use crate::link::LinkStats;
use crate::worker::{Forward, Passed, Worker};
use niv::PortId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The kernel has counted a frame before we can have it; after this long we must have it.
const SETTLE: Duration = Duration::from_millis(30);

/// A port's account against the kernel's, since the port was opened. Buffers: an oversized frame is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What the driver counted, since our queue was opened.
    pub kernel: LinkStats,
    /// What passed between the device and us.
    pub passed: Passed,
    /// Frames the driver counted and we did not, or (negative) the other way round.
    pub unexplained_received: i64,
    /// Frames we handed over and the driver did not count, or (negative) the other way round.
    pub unexplained_sent: i64,
}

impl<F: Forward + Send + 'static> Supervisor<F> {
    /// Holds our counts against the kernel's, for every device in use, and in the same moment asks the
    /// worker for its own account.
    ///
    /// A frame counts as unexplained when the driver had counted it a while before we looked and we had
    /// not, or when we had counted it and the driver has not even afterwards. So traffic that goes on
    /// meanwhile is no error, and at rest the sums must be equal.
    ///
    /// # Errors
    /// The worker or the kernel does not answer.
    pub async fn balance<R: Send + 'static>(
        &self,
        account: impl FnOnce(&mut Worker<F>) -> R + Send + 'static,
    ) -> Result<(R, Vec<(PortId, Balance)>), SuperviseError> {
        let before = self.kernel_stats().await?;
        tokio::time::sleep(SETTLE).await;
        let ids: Vec<PortId> = before.iter().map(|&(id, _)| id).collect();
        let (account, passed) = self
            .taker
            .worker
            .answer(move |worker| {
                let passed: Vec<Option<Passed>> = ids.iter().map(|&id| worker.passed(id)).collect();
                (account(worker), passed)
            })
            .await?;
        let others = self.handed_by_others();
        let after: BTreeMap<_, _> = self.kernel_stats().await?.into_iter().collect();
        let mut balances = Vec::with_capacity(before.len());
        for ((id, before), passed) in before.into_iter().zip(passed) {
            let after = after.get(&id).copied().unwrap_or(before);
            let Some(mut passed) = passed else { continue };
            passed.handed += others.get(&id).copied().unwrap_or_default();
            let received = passed.taken + passed.queue.dropped;
            balances.push((
                id,
                Balance {
                    kernel: after,
                    passed,
                    unexplained_received: outside(received, before.rx_packets, after.rx_packets),
                    unexplained_sent: -outside(passed.handed, before.tx_packets, after.tx_packets),
                },
            ));
        }
        Ok((account, balances))
    }

    /// Has frames that another part of this process hands to a device counted as ours: `sent` counts them from the
    /// opening of its socket on, which belongs after the taking of the device.
    pub fn count_in(&mut self, id: PortId, sent: Arc<AtomicU64>) {
        let device = self.devices.get_mut(&id);
        if let Some(State::InUse(used)) = device.map(|device| &mut device.state) {
            used.others.push(sent);
        }
    }

    fn handed_by_others(&self) -> BTreeMap<PortId, u64> {
        let in_use = self
            .devices
            .values()
            .filter_map(|device| match &device.state {
                State::InUse(used) => Some((device.wanted.id, used)),
                _ => None,
            });
        in_use
            .map(|(id, used)| {
                (
                    id,
                    used.others.iter().map(|o| o.load(Ordering::Relaxed)).sum(),
                )
            })
            .collect()
    }

    /// The kernel's counts of every device in use, since it was taken.
    async fn kernel_stats(&self) -> Result<Vec<(PortId, LinkStats)>, SuperviseError> {
        let mut stats = Vec::with_capacity(self.devices.len());
        for device in self.devices.values() {
            let State::InUse(used) = &device.state else {
                continue;
            };
            let Some(now) = self.taker.links.by_index(used.info.index).await? else {
                continue;
            };
            let base = used.baseline;
            let since = LinkStats {
                rx_packets: now.stats.rx_packets.saturating_sub(base.rx_packets),
                rx_dropped: now.stats.rx_dropped.saturating_sub(base.rx_dropped),
                tx_packets: now.stats.tx_packets.saturating_sub(base.tx_packets),
                tx_dropped: now.stats.tx_dropped.saturating_sub(base.tx_dropped),
                ..now.stats
            };
            stats.push((device.wanted.id, since));
        }
        Ok(stats)
    }
}

/// By how much the kernel's count, which lay between `before` and `after`, exceeds ours.
fn outside(ours: u64, before: u64, after: u64) -> i64 {
    if ours < before {
        (before - ours) as i64
    } else if ours > after {
        -((ours - after) as i64)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::outside;

    #[test]
    fn traffic_that_goes_on_is_no_error_and_a_lost_frame_is() {
        assert_eq!(outside(100, 90, 110), 0);
        assert_eq!(outside(100, 100, 100), 0);
        assert_eq!(outside(99, 100, 100), 1);
        assert_eq!(outside(101, 100, 100), -1);
    }
}
