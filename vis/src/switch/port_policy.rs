//! What a port profile asks of frames, beyond VLANs and MTU: made ready when a snapshot is made, one value for each bridge
//! port, vEth or plain alike.

/// What is asked of frames of one bridge port. Without any of it, nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPolicy {}
