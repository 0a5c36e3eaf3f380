//! What sits at the ends of a lab's links: senders, receivers and watchers. Each opens its sockets
//! inside a namespace and is then used from wherever the scenario runs.

pub(crate) mod flood;
pub(crate) mod frame;
pub(crate) mod ping;
pub(crate) mod relay;
pub(crate) mod stream;
pub(crate) mod trunk;
pub(crate) mod watch;
