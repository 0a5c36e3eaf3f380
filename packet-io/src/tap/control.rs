//! Making, adopting, and removing a TAP.
#![expect(unsafe_code, reason = "the TUN ioctls have no safe wrapper")]

use crate::interface;
use crate::offload::VIRTIO_HEADER;
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

const TUN: &str = "/dev/net/tun";

/// What a guest may leave undone, most first: what an old kernel refuses is asked for no more.
const OFFLOADS: [u32; 4] = [
    CHECKSUM | TSO | libc::TUN_F_USO4 | libc::TUN_F_USO6,
    CHECKSUM | TSO,
    CHECKSUM,
    0,
];
const CHECKSUM: u32 = libc::TUN_F_CSUM;
const TSO: u32 = libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Opening the device file.
    Open,
    /// TUNSETIFF: making the device, or adopting it.
    Attach,
    /// TUNSETVNETHDRSZ.
    HeaderSize,
    /// TUNSETOFFLOAD.
    Offload,
    /// TUNSETPERSIST.
    Persist,
    /// TUNSETCARRIER.
    Carrier,
    /// Asking for the MTU.
    Mtu,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "to open /dev/net/tun",
            Self::Attach => "to make or adopt the device (TUNSETIFF)",
            Self::HeaderSize => "the size of the virtio-net header (TUNSETVNETHDRSZ)",
            Self::Offload => "to set offloads (TUNSETOFFLOAD)",
            Self::Persist => "to keep or to release the device (TUNSETPERSIST)",
            Self::Carrier => "to set the carrier (TUNSETCARRIER)",
            Self::Mtu => "to state the MTU",
        })
    }
}

/// A TAP that could not be opened or set.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// Not a name an interface can have.
    #[error("{name:?}: not a name for an interface: 1 to 15 octets, without '/', '%' or spaces")]
    BadName {
        /// The name.
        name: String,
    },
    /// The kernel has no TUN/TAP driver, or its file is not there.
    #[error(
        "{name}: the kernel has no TAP devices: `modprobe tun`, in a container give it /dev/net/tun"
    )]
    NoDriver {
        /// The device.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process may not.
    #[error(
        "{name}: a TAP needs CAP_NET_ADMIN; run as root, or let root make it: `ip tuntap add {name} mode tap vnet_hdr user $USER`"
    )]
    NotPermitted {
        /// The device.
        name: String,
        /// What was being done.
        step: Step,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{name}: another process has this TAP open; see `fuser /dev/net/tun`")]
    Busy {
        /// The device.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is an interface of this name that is not a TAP of this kind.
    #[error(
        "{name}: there is an interface of this name that cannot be adopted (no TAP, or one with many queues); choose another name, or `ip link del {name}`"
    )]
    OtherKind {
        /// The device.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused a step for another reason.
    #[error("{name}: the kernel refused {step}")]
    Refused {
        /// The device.
        name: String,
        /// What was being done.
        step: Step,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The control side of an open TAP.
#[derive(Clone, Debug)]
pub struct TapControl {
    name: String,
    file: Arc<OwnedFd>,
}

impl TapControl {
    /// Opens or makes the TAP; also says whether frames may come with work left undone.
    pub(super) fn open(name: &str) -> Result<(Self, bool), TapError> {
        let control = Self::attach(name)?;
        let size = VIRTIO_HEADER as i32;
        control.set_by_pointer(libc::TUNSETVNETHDRSZ, &size, Step::HeaderSize)?;
        let mut refused = None;
        for offload in OFFLOADS {
            match control.set(libc::TUNSETOFFLOAD, offload.into(), Step::Offload) {
                Ok(()) => {
                    control.set(libc::TUNSETPERSIST, 1, Step::Persist)?;
                    return Ok((control, offload != 0));
                }
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) => Err(error),
            None => Ok((control, false)),
        }
    }

    fn attach(name: &str) -> Result<Self, TapError> {
        let bad = |c: char| c == '/' || c == '%' || c == ':' || c.is_whitespace();
        if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(bad) {
            return Err(TapError::BadName {
                name: name.to_owned(),
            });
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(TUN, flags, Mode::empty())
            .map_err(|error| tap_error(name, Step::Open, error.into()))?;
        let control = Self {
            name: name.to_owned(),
            file: Arc::new(file),
        };
        let mut request =
            interface::request(name).map_err(|error| control.failed(Step::Attach, error))?;
        request.ifr_ifru.ifru_flags =
            (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
        control.set_by_pointer(libc::TUNSETIFF, &request, Step::Attach)?;
        Ok(control)
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells the kernel's side whether the cable is in.
    ///
    /// # Errors
    /// The kernel is older than 5.0, or the device is gone.
    pub fn set_carrier(&self, up: bool) -> Result<(), TapError> {
        let up = i32::from(up);
        self.set_by_pointer(libc::TUNSETCARRIER, &up, Step::Carrier)
    }

    /// The device goes when the last of its descriptors is closed: those of the port, and this one.
    ///
    /// # Errors
    /// The device is gone already.
    pub fn remove_when_closed(&self) -> Result<(), TapError> {
        self.set(libc::TUNSETPERSIST, 0, Step::Persist)
    }

    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        self.file.clone()
    }

    pub(super) fn failed(&self, step: Step, source: io::Error) -> TapError {
        tap_error(&self.name, step, source)
    }

    fn set(&self, request: libc::Ioctl, value: libc::c_ulong, step: Step) -> Result<(), TapError> {
        // SAFETY: TUNSETOFFLOAD and TUNSETPERSIST take a number and touch no memory of ours.
        self.check(
            unsafe { libc::ioctl(self.file.as_raw_fd(), request, value) },
            step,
        )
    }

    fn set_by_pointer<T>(
        &self,
        request: libc::Ioctl,
        value: &T,
        step: Step,
    ) -> Result<(), TapError> {
        // TUNSETIFF writes the name it chose, the one it was given: into a copy, since `value` is shared.
        let mut copy = std::mem::MaybeUninit::<T>::uninit();
        // SAFETY: `copy` is live, large enough and does not overlap `value`; the plain structures passed here
        // (`i32`, `ifreq`) may be copied octet by octet, and the kernel reads and writes within their size.
        let result = unsafe {
            copy.as_mut_ptr().copy_from_nonoverlapping(value, 1);
            libc::ioctl(self.file.as_raw_fd(), request, copy.as_mut_ptr())
        };
        self.check(result, step)
    }

    fn check(&self, result: i32, step: Step) -> Result<(), TapError> {
        if result < 0 {
            Err(self.failed(step, io::Error::last_os_error()))
        } else {
            Ok(())
        }
    }
}

/// Removes a TAP that no process has open.
///
/// # Errors
/// It is no TAP, or in use.
pub fn remove(name: &str) -> Result<(), TapError> {
    TapControl::attach(name)?.remove_when_closed()
}

fn tap_error(name: &str, step: Step, source: io::Error) -> TapError {
    let name = name.to_owned();
    match (step, source.raw_os_error()) {
        (_, Some(libc::EPERM | libc::EACCES)) => TapError::NotPermitted { name, step, source },
        (Step::Open, Some(libc::ENOENT | libc::ENODEV | libc::ENXIO)) => {
            TapError::NoDriver { name, source }
        }
        (Step::Attach, Some(libc::EBUSY)) => TapError::Busy { name, source },
        (Step::Attach, Some(libc::EINVAL)) => TapError::OtherKind { name, source },
        _ => TapError::Refused { name, step, source },
    }
}
