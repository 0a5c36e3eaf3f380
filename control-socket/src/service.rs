//! What a daemon tells the service manager that started it: that it is ready, lives, and stops (sd_notify(3)). Where
//! nobody wants to know, nothing is said.

use sd_notify::NotifyState;
use std::time::Duration;

/// A watchdog that wants to hear more often is told as often as this (ours).
const OFTEN: Duration = Duration::from_millis(100);

/// The service manager, if there is one.
///
/// It is told in the daemon's own turns, behind an answer of the worker: a daemon whose control or data path hangs falls
/// silent, and is started again.
#[derive(Debug)]
pub struct Service {
    watchdog: Option<Duration>,
    status: String,
}

impl Service {
    /// The one that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    pub fn here() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            status: String::new(),
        }
    }

    /// How often the daemon is to look after itself: as usual, or twice in the watchdog's time.
    pub fn turn(&self, usual: Duration) -> Duration {
        self.watchdog
            .map_or(usual, |within| usual.min((within / 2).max(OFTEN)))
    }

    /// The daemon forwards, and answers. `status` is a line for `systemctl status`.
    pub fn ready(&mut self, status: String) {
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// The worker has answered just now.
    pub fn alive(&mut self, status: String) {
        if self.watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// The daemon clears up, and ends.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// A manager that cannot be told acts by its own timeouts.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_hears_twice_in_its_time_and_a_patient_one_no_more_than_usual() {
        let usual = Duration::from_secs(5);
        let turn = |seconds: Option<f64>| {
            let service = Service {
                watchdog: seconds.map(Duration::from_secs_f64),
                status: String::new(),
            };
            service.turn(usual)
        };
        assert_eq!(turn(None), usual);
        assert_eq!(turn(Some(60.0)), usual);
        assert_eq!(turn(Some(4.0)), Duration::from_secs(2));
        assert_eq!(turn(Some(0.001)), OFTEN);
    }
}
