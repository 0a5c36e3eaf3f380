//! Questions about an interface that are answered by its name, on any socket.
#![expect(unsafe_code, reason = "interface ioctls have no safe wrapper")]

use niv::Mac;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// ARPHRD number.
pub(crate) fn hardware_type(socket: impl AsFd, device: &str) -> io::Result<u16> {
    let request = ask(socket, device, libc::SIOCGIFHWADDR)?;
    // SAFETY: SIOCGIFHWADDR filled this member in.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// The interface's own address.
pub(crate) fn address(socket: impl AsFd, device: &str) -> io::Result<Mac> {
    let request = ask(socket, device, libc::SIOCGIFHWADDR)?;
    // SAFETY: SIOCGIFHWADDR filled this member in.
    let data = unsafe { request.ifr_ifru.ifru_hwaddr.sa_data };
    let [a, b, c, d, e, f, ..] = data.map(|octet| octet as u8);
    Ok(Mac([a, b, c, d, e, f]))
}

/// Octets behind the Ethernet header.
pub(crate) fn mtu(socket: impl AsFd, device: &str) -> io::Result<u32> {
    let request = ask(socket, device, libc::SIOCGIFMTU)?;
    // SAFETY: SIOCGIFMTU filled this member in.
    Ok(unsafe { request.ifr_ifru.ifru_mtu } as u32)
}

/// Administratively up.
pub(crate) fn is_up(socket: impl AsFd, device: &str) -> io::Result<bool> {
    let request = ask(socket, device, libc::SIOCGIFFLAGS)?;
    // SAFETY: SIOCGIFFLAGS filled this member in.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(i32::from(flags) & libc::IFF_UP != 0)
}

/// A request that names `device`, all else zero. A name too long is that of no device.
pub(crate) fn request(device: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zero is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if device.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn ask(socket: impl AsFd, device: &str, question: libc::Ioctl) -> io::Result<libc::ifreq> {
    let mut request = request(device)?;
    // SAFETY: the pointer is to a live request, which is what these ioctls read and write.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), question, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(request)
}
