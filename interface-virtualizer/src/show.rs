//! What `iv show` prints: one versioned document, as JSON or as a table.

use crate::life::Verdict;
use doctor::LinkHealth;
use niv::{Counters, Mac, VifId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// The version of this document's layout; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 2;

/// The whole state of a running `iv`, taken between two bursts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Show {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// The link to the switch.
    pub uplink: Uplink,
    /// Link control; absent where everything is bound by hand.
    pub session: Option<Session>,
    /// Who is on the uplink by LLDP; more than one says that something is in between.
    pub neighbours: Vec<Neighbour>,
    /// What is odd about them, in a sentence.
    pub advice: Option<String>,
    /// The vNICs.
    pub vnics: Vec<Vnic>,
    /// All counters together, and what they fail to explain.
    pub conservation: Conservation,
}

/// The link to the switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uplink {
    /// The device.
    pub device: Device,
    /// Frames the switch sent, and frames sent to it.
    pub counters: Flow,
}

/// One vNIC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vnic {
    /// What people call it.
    pub name: String,
    /// Its VIF on the link: by hand, or as the switch has given it, in the last session if there is none.
    pub vif: Option<VifId>,
    /// Its UUID, where the switch assigns the VIF.
    pub uuid: Option<String>,
    /// The port profile it asked for.
    pub profile: Option<String>,
    /// The number of its vEth.
    pub veth: Option<u32>,
    /// What the switch calls its vEth.
    pub veth_name: Option<String>,
    /// Frames may pass.
    pub enabled: bool,
    /// `waiting`, `created`, `enabled` (frames pass), `down` or `detaching`.
    pub state: String,
    /// Why nothing passes, in a sentence.
    pub why: Option<String>,
    /// Its guest sees a link, where we hold the device.
    pub carrier: bool,
    /// How it meets its guest: `tap`, `netns` or `device`.
    pub kind: String,
    /// The device this end of it is.
    pub device: Device,
    /// Frames the guest sent, and frames handed to it.
    pub counters: Flow,
    /// Of the frames handed to it, those that were copies by a list.
    pub list_copies: u64,
}

impl Vnic {
    /// Whether the guest sees a link; of somebody else's interface, whether the kernel sees one on it, since we
    /// cannot set that.
    pub fn link(&self) -> Option<bool> {
        match self.kind.as_str() {
            "device" => self.device.carrier,
            _ => Some(self.carrier),
        }
    }
}

/// The session with the switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// `opening`, `up` or `lost`.
    pub state: String,
    /// Why it is not up, since when, and what that means for guests.
    pub why: Option<String>,
    /// By what code a session was refused when that was last tried, if it was.
    #[serde(default)]
    pub refused: Option<String>,
    /// For so many seconds it has been lost.
    #[serde(default)]
    pub lost_for: Option<u64>,
    /// For so many seconds guests keep their link without it.
    #[serde(default)]
    pub grace_left: Option<u64>,
    /// What the switch is called.
    pub peer: Option<String>,
    /// Its program and version.
    pub software: Option<String>,
    /// Its identity.
    pub identity: Option<String>,
    /// Its address on the link.
    pub mac: Option<Mac>,
    /// It has proven that it has the key.
    pub authenticated: Option<bool>,
    /// Its term.
    pub term: Option<u64>,
    /// The link's MTU as both ends have it.
    pub mtu: Option<u16>,
    /// How it goes. Whoever asks has the MTU proven anew: ask again to see what came of it.
    #[serde(default)]
    pub health: Option<LinkHealth>,
    /// What gets through of that, in octets, where it is less.
    #[serde(default)]
    pub mtu_proven: Option<u16>,
}

/// A port of another box, as it says of itself by LLDP. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// What the box is called.
    pub system: Option<String>,
    /// What the box is.
    pub description: Option<String>,
    /// Which box.
    pub chassis: String,
    /// Which port of it.
    pub port: String,
    /// The address its LLDPDUs come from.
    pub mac: Mac,
    /// Which end of a NIV link it is: `iv` or `vis`; `None`: it does not speak VIC.
    pub role: Option<String>,
    /// The longest frame it takes, in octets with header and FCS.
    pub frame_size: Option<u16>,
    /// For so many seconds it has been there.
    pub since: u64,
    /// In so many seconds it is forgotten, unless it is heard again.
    pub expires: u64,
}

/// `host1, port eth1, 02:00:00:00:00:01, vis with VIC`
impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = self.system.as_deref().unwrap_or(&self.chassis);
        write!(f, "{system}, port {}, {}, ", self.port, self.mac)?;
        match &self.role {
            Some(role) => write!(f, "{role} with VIC"),
            None => f.write_str("without VIC"),
        }
    }
}

/// What `iv profiles` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Those that may be asked for.
    pub profiles: Vec<Profile>,
}

/// A port profile that the switch offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// What `iv attach --profile` takes.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
}

impl fmt::Display for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.profiles.iter().map(|profile| profile.name.len());
        let width = longest.max().unwrap_or(0).max(8);
        writeln!(f, "{:<width$}  Description", "Profile")?;
        for Profile { name, description } in &self.profiles {
            writeln!(f, "{}", format!("{name:<width$}  {description}").trim_end())?;
        }
        Ok(())
    }
}

/// What became of one vNIC that was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it is called.
    pub name: String,
    /// What the switch said.
    pub verdict: Verdict,
    /// There is no session, since one end refuses the other.
    pub session_refused: bool,
    /// What to do about a no.
    pub mend: Option<&'static str>,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Its VIF.
    pub vif: Option<VifId>,
    /// Its vEth.
    pub veth: Option<u32>,
    /// As in [`Vnic::state`].
    pub state: String,
    /// As in [`Vnic::why`].
    pub why: Option<String>,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vNIC {}", self.name)?;
        if let Some(uuid) = &self.uuid {
            write!(f, " (UUID {uuid})")?;
        }
        write!(f, " is attached, ")?;
        match self.verdict {
            Verdict::Refused => f.write_str("and the switch refuses it")?,
            Verdict::Waiting | Verdict::Enabled => f.write_str(&self.state)?,
        }
        if let Some(vif) = self.vif {
            write!(f, ", VIF {vif}")?;
        }
        if let Some(veth) = self.veth {
            write!(f, ", vEth {veth}")?;
        }
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        if let Some(mend) = self.mend {
            write!(f, "; {mend}")?;
        }
        if self.verdict == Verdict::Enabled {
            return Ok(());
        }
        write!(
            f,
            ". It is kept, and comes up when the switch takes it; `iv detach {}` takes it away",
            self.name
        )
    }
}

/// A device and what was obtained from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `up`, or why not.
    pub state: String,
    /// The kernel sees a link on it; `None`: it is not in use, or a TAP, on which it sees what the guest sees.
    #[serde(default)]
    pub carrier: Option<bool>,
    /// What others have changed about it so that frames may get lost, in sentences.
    #[serde(default)]
    pub meddled: Option<String>,
    /// The I/O mode obtained.
    pub mode: Option<String>,
    /// The least MTU it must have, in octets.
    pub mtu: u32,
    /// Buffers the kernel queued for us.
    pub kernel_buffers: u64,
    /// Buffers the kernel had no room for.
    pub kernel_drops: u64,
    /// Buffers the driver counted as received, and we did not.
    pub unexplained_received: i64,
    /// Buffers we handed over, and the driver did not count.
    pub unexplained_sent: i64,
}

/// Counters of one port, in wire frames and in octets without VNTag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Frames that came in.
    pub received: u64,
    /// Their octets.
    pub received_octets: u64,
    /// Of these, sent to one destination.
    pub forwarded: u64,
    /// Of these, sent to several.
    pub flooded: u64,
    /// Of these, taken by control.
    pub consumed: u64,
    /// Of these, dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Copies made of them.
    pub copies: u64,
    /// Frames handed to the kernel here.
    pub sent: u64,
    /// Their octets.
    pub sent_octets: u64,
    /// Copies bound for here that were dropped, by reason.
    pub dropped_copies: BTreeMap<String, u64>,
    /// Oddities, by kind.
    pub anomalies: BTreeMap<String, u64>,
}

/// The balance of everything received and everything sent (docs/architecture.md, invariant 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conservation {
    /// The sum over the uplink and all vNICs.
    pub total: Flow,
    /// received - forwarded - flooded - consumed - dropped
    pub unexplained_received: i64,
    /// copies - sent - dropped copies
    pub unexplained_copies: i64,
}

impl From<&Counters> for Flow {
    fn from(counters: &Counters) -> Self {
        let named = |items: &mut dyn Iterator<Item = (&'static str, u64)>| {
            items.map(|(name, n)| (name.to_owned(), n)).collect()
        };
        let (i, e) = (&counters.ingress, &counters.egress);
        Self {
            received: i.received.frames,
            received_octets: i.received.octets,
            forwarded: i.forwarded,
            flooded: i.flooded,
            consumed: i.consumed,
            dropped: named(&mut i.dropped.iter().map(|(reason, n)| (reason.as_str(), n))),
            copies: i.copies,
            sent: e.sent.frames,
            sent_octets: e.sent.octets,
            dropped_copies: named(&mut e.dropped.iter().map(|(reason, n)| (reason.as_str(), n))),
            anomalies: named(
                &mut counters
                    .anomalies
                    .iter()
                    .map(|(kind, n)| (kind.as_str(), n)),
            ),
        }
    }
}

impl From<&Counters> for Conservation {
    fn from(total: &Counters) -> Self {
        let imbalance = total.imbalance();
        Self {
            total: total.into(),
            unexplained_received: imbalance.ingress,
            unexplained_copies: imbalance.egress,
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "an unnamed switch";
        match &self.why {
            Some(why) => write!(f, "Session {}: {why}", self.state),
            None => write!(
                f,
                "Session {} with {} ({}{})",
                self.state,
                self.peer.as_deref().unwrap_or(unknown),
                self.mac.map_or_else(String::new, |mac| mac.to_string()),
                match self.authenticated {
                    Some(true) => ", has the key",
                    _ => ", no key",
                }
            ),
        }
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "iv {}", self.version)?;
        writeln!(
            f,
            "\n{:<16} {:>5} {:>5} {:<9} {:<4} {:<7} {:<16} {:<17} {:>5} {:>12} {:>12} {:>10} {:>10}",
            "Name",
            "VIF",
            "vEth",
            "State",
            "Link",
            "Kind",
            "Device",
            "Mode",
            "MTU",
            "Received",
            "Sent",
            "Dropped",
            "Ring drops"
        )?;
        let number = |number: Option<u32>| number.map_or("-".into(), |number| number.to_string());
        let mut row = |name: &str,
                       (vif, veth): (Option<u32>, Option<u32>),
                       state: &str,
                       link: Option<bool>,
                       kind: &str,
                       device: &Device,
                       flow: &Flow| {
            let (vif, veth) = (number(vif), number(veth));
            let link = link.map_or("-", |up| if up { "up" } else { "down" });
            let dropped: u64 = flow
                .dropped
                .values()
                .chain(flow.dropped_copies.values())
                .sum();
            writeln!(
                f,
                "{name:<16} {vif:>5} {veth:>5} {state:<9} {link:<4} {kind:<7} {:<16} {:<17} {:>5} {:>12} {:>12} {dropped:>10} {:>10}",
                device.name,
                device.mode.as_deref().unwrap_or("-"),
                device.mtu,
                flow.received,
                flow.sent,
                device.kernel_drops,
            )
        };
        let uplink = &self.uplink.device;
        row(
            "(uplink)",
            (None, None),
            if uplink.state == "up" { "up" } else { "down" },
            Some(uplink.carrier == Some(true)),
            "uplink",
            &self.uplink.device,
            &self.uplink.counters,
        )?;
        for vnic in &self.vnics {
            row(
                &vnic.name,
                (vnic.vif.map(|vif| vif.get().into()), vnic.veth),
                &vnic.state,
                vnic.link(),
                &vnic.kind,
                &vnic.device,
                &vnic.counters,
            )?;
        }
        if uplink.state != "up" {
            writeln!(f, "uplink: {} is {}", uplink.name, uplink.state)?;
        }
        for vnic in &self.vnics {
            let device = &vnic.device;
            match &vnic.why {
                Some(why) => writeln!(f, "{}: {why}", vnic.name)?,
                None if device.state != "up" => {
                    writeln!(f, "{}: {} is {}", vnic.name, device.name, device.state)?;
                }
                None => {}
            }
        }
        let vnics = self.vnics.iter().map(|vnic| &vnic.device);
        for device in std::iter::once(uplink).chain(vnics) {
            if let Some(meddled) = &device.meddled {
                writeln!(f, "{}: {meddled}", device.name)?;
            }
        }
        if let Some(session) = &self.session {
            writeln!(f, "\n{session}")?;
            if let (Some(proven), Some(mtu)) = (session.mtu_proven, session.mtu) {
                writeln!(
                    f,
                    "Look: the ends have an MTU of {mtu}, and frames of {proven} octets is all that gets through: raise \
                     the MTU of what is between them"
                )?;
            }
        }
        for neighbour in &self.neighbours {
            writeln!(f, "Neighbour by LLDP: {neighbour}")?;
        }
        if let Some(advice) = &self.advice {
            writeln!(f, "Look: {advice}")?;
        }
        let total = &self.conservation.total;
        writeln!(f, "\nConservation (wire frames)")?;
        writeln!(
            f,
            "  received {} = forwarded {} + flooded {} + consumed {} + dropped {}; unexplained {}",
            total.received,
            total.forwarded,
            total.flooded,
            total.consumed,
            total.dropped.values().sum::<u64>(),
            self.conservation.unexplained_received
        )?;
        writeln!(
            f,
            "  copies {} = sent {} + dropped {}; unexplained {}",
            total.copies,
            total.sent,
            total.dropped_copies.values().sum::<u64>(),
            self.conservation.unexplained_copies
        )?;
        let devices =
            std::iter::once(&self.uplink.device).chain(self.vnics.iter().map(|v| &v.device));
        let (received, sent) = devices.fold((0, 0), |(received, sent), device| {
            (
                received + device.unexplained_received,
                sent + device.unexplained_sent,
            )
        });
        writeln!(
            f,
            "  against the kernel's counts: unexplained received {received}, sent {sent}"
        )?;
        for (title, counts) in [
            ("Dropped on arrival", &total.dropped),
            ("Dropped copies", &total.dropped_copies),
            ("Anomalies", &total.anomalies),
        ] {
            if !counts.is_empty() {
                let mut line = String::new();
                for (name, n) in counts {
                    write!(line, " {name} {n}")?;
                }
                writeln!(f, "  {title}:{line}")?;
            }
        }
        Ok(())
    }
}
