//! The interface virtualizer: gives every guest a vNIC, writes a VNTag on every frame a vNIC sends,
//! takes it off every frame that comes back, and hands that to the vNIC named in it.

pub mod args;
pub mod client;
pub mod config;
pub mod core;
pub mod daemon;
pub mod doctor;
pub mod life;
mod mend;
pub mod show;
