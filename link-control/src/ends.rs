//! The sessions of VIC, driven by the thread.

use crate::End;
use std::time::Duration;
use vic::session::iv::{IvEvent, IvSession};
use vic::session::vis::{VisEvent, VisSession};

macro_rules! end {
    ($session:ty, $event:ty) => {
        impl End for $session {
            type Event = $event;

            fn handle_message(&mut self, now: Duration, frame: &[u8]) {
                <$session>::handle_message(self, now, frame);
            }
            fn handle_timeout(&mut self, now: Duration) {
                <$session>::handle_timeout(self, now);
            }
            fn poll_event(&mut self) -> Option<$event> {
                <$session>::poll_event(self)
            }
            fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
                <$session>::poll_transmit(self, now)
            }
            fn poll_timeout(&self) -> Option<Duration> {
                <$session>::poll_timeout(self)
            }
        }
    };
}

end!(IvSession, IvEvent);
end!(VisSession, VisEvent);
