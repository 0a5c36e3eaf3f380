//! What `iv run` is to do: from a TOML file, or from the command line, which says the same in flags.

mod place;
mod vnic;

pub use vnic::{Attachment, Binding, ByProfile, DEFAULT_MTU, VnicConfig, VnicSpec};

use niv::{ListId, VifId};
use packet_io::link::is_name;
use place::Item;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use vic::Parameters;

/// How long guests keep their carrier without a session, in seconds (design.md section 5.9).
const GRACE: u32 = 30;

/// The largest file that is read, in octets (ours): 4,095 vNICs fit many times over.
const MAX_FILE: u64 = 4 << 20;

/// One uplink and the vNICs behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The device that leads to the switch.
    pub uplink: String,
    /// Whether the control protocol runs. Not said: unless every vNIC is bound by hand.
    #[serde(default)]
    pub vic: Option<bool>,
    /// The key that the switch has too. Without one any switch is taken.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// It was said on the command line, and what people are told names what stands there.
    #[serde(skip)]
    pub by_flags: bool,
    /// How many seconds guests keep their carrier when the session is lost and the link is up.
    #[serde(default)]
    pub grace: Option<u32>,
    /// Whether oversized frames cross the link whole where the switch agrees (docs/vic.md). Not said: yes.
    #[serde(default)]
    pub long_frames: Option<bool>,
    /// Numbers of the protocol.
    #[serde(default)]
    pub vic_numbers: VicNumbers,
    /// The vNICs to make or take at start.
    #[serde(default, rename = "vnic")]
    pub vnics: Vec<VnicConfig>,
    /// VIF lists installed by hand, for a switch that sends p=1 frames.
    #[serde(default, rename = "list")]
    pub lists: Vec<ListConfig>,
}

/// A VIF list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListConfig {
    /// Its id.
    pub id: ListId,
    /// Its members.
    pub members: Vec<VifId>,
}

/// Numbers of the protocol, each where it differs from [`Parameters::default`]; the switch must be told the
/// same subtypes and OUI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VicNumbers {
    /// ECP subtype of what is acknowledged: 3 to 1023.
    pub subtype: Option<u16>,
    /// ECP subtype of what is not: 3 to 1023.
    pub unacknowledged_subtype: Option<u16>,
    /// What a payload starts with, as three pairs of hexadecimal digits: `4e:49:56`.
    pub oui: Option<String>,
    /// ECP's timer is `10 us * 2^rte`: 0 to 20.
    pub rte: Option<u8>,
    /// How often ECP repeats.
    pub retries: Option<u8>,
    /// Without a word from the switch for so many milliseconds the session is lost: 100 to 60,000.
    pub hold_ms: Option<u32>,
}

impl VicNumbers {
    /// All numbers.
    ///
    /// # Errors
    /// One is out of its range.
    pub fn parameters(&self) -> Result<Parameters, ConfigError> {
        let wrong = |what: &str| ConfigError::Flags(format!("in `[vic-numbers]`, {what}"));
        let mut all = Parameters::default();
        all.subtype = self.subtype.unwrap_or(all.subtype);
        all.unacknowledged_subtype = self
            .unacknowledged_subtype
            .unwrap_or(all.unacknowledged_subtype);
        all.rte = self.rte.unwrap_or(all.rte);
        all.retries = self.retries.unwrap_or(all.retries);
        all.hold = self
            .hold_ms
            .map_or(all.hold, |ms| Duration::from_millis(ms.into()));
        let subtypes = [all.subtype, all.unacknowledged_subtype];
        if subtypes.iter().any(|subtype| !(3..1024).contains(subtype)) {
            return Err(wrong("a subtype is 3 to 1023"));
        }
        if all.subtype == all.unacknowledged_subtype {
            return Err(wrong("the two subtypes must differ"));
        }
        if all.rte > 20 {
            return Err(wrong("`rte` is 0 to 20"));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&all.hold) {
            return Err(wrong("`hold-ms` is 100 to 60000"));
        }
        if let Some(text) = &self.oui {
            let pairs = text.split([':', '-']);
            let octets: Result<Vec<u8>, _> =
                pairs.map(|pair| u8::from_str_radix(pair, 16)).collect();
            all.oui = octets
                .ok()
                .and_then(|octets| octets.try_into().ok())
                .ok_or_else(|| wrong("`oui` is three pairs of digits, such as 4e:49:56"))?;
        }
        Ok(all)
    }
}

/// A configuration that cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check the path, or start without a file: `iv run --uplink eth1 --tap tap1`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any real one.
    #[error("{} is larger than {MAX_FILE} octets, which no configuration needs; check the path", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not what we read, or contradicts itself: `FILE:LINE:COLUMN: what`.
    #[error("{}:{source}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What and where.
        source: ParseError,
    },
    /// No device can be called that.
    #[error(
        "`{0}` is no device's name: those have 1 to 15 characters, no space and no slash; `ip link` lists those there are"
    )]
    Name(String),
    /// Two things with one name.
    #[error("{what} is given twice; each vNIC needs its own")]
    Twice {
        /// The repeated thing, with its value.
        what: String,
    },
    /// The switch is to assign a VIF, and nothing may ask it to.
    #[error(
        "vNIC {vnic} has a `profile`, and `vic = false` forbids to ask the switch: give it a `vif`, or leave `vic` out"
    )]
    NoVic {
        /// The vNIC.
        vnic: String,
    },
    /// The flags do not fit each other, or a number is out of its range.
    #[error("{0}")]
    Flags(String),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no valid TOML of this shape, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.into(),
            source,
        };
        let mut text = String::new();
        // One octet more than is taken: enough to see that it is too long, whatever kind of file it is.
        let mut file = File::open(path).map_err(unreadable)?.take(MAX_FILE + 1);
        file.read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE {
            return Err(ConfigError::TooLarge { path: path.into() });
        }
        Self::parse(&text).map_err(|source| ConfigError::Invalid {
            path: path.into(),
            source,
        })
    }

    /// Reads a text. Total: any text gives a configuration or an error.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = vnic_at_fault(text, error.message());
            let start = start.or_else(|| error.span().map(|span| span.start));
            ParseError::at(text, start.unwrap_or(0), error.message())
        })?;
        match config.look() {
            Ok(()) => Ok(config),
            Err((item, error)) => {
                let start = place::span(text, item).start;
                Err(ParseError::at(text, start, &error.to_string()))
            }
        }
    }

    /// Refuses what two vNICs cannot share.
    ///
    /// # Errors
    /// Names what is given twice.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.look().map_err(|(_, error)| error)
    }

    /// The same, and what the error is about.
    fn look(&self) -> Result<(), (Item<'static>, ConfigError)> {
        let mut seen = HashSet::new();
        let mut once = |item: Item<'static>, what: String| {
            if seen.insert(what.clone()) {
                Ok(())
            } else {
                Err((item, ConfigError::Twice { what }))
            }
        };
        let named =
            |item: Item<'static>, name: &str| device_name(name).map_err(|error| (item, error));
        named(Item::Key("uplink"), &self.uplink)?;
        once(Item::Key("uplink"), format!("device {}", self.uplink))?;
        for (number, vnic) in self.vnics.iter().enumerate() {
            let of = |key| Item::Of("vnic", number, key);
            match &vnic.binding {
                Binding::Vif(vif) => once(of("vif"), format!("VIF {vif}"))?,
                Binding::Profile(ByProfile {
                    uuid: Some(uuid), ..
                }) => once(of("uuid"), format!("UUID {uuid}"))?,
                Binding::Profile(_) => {}
            }
            once(of("name"), format!("the name {}", vnic.name))?;
            let key = of(vnic.attachment.kind());
            match &vnic.attachment {
                Attachment::Tap(name) | Attachment::Device(name) => {
                    named(key, name)?;
                    once(key, format!("device {name}"))?;
                }
                Attachment::Netns { path, ifname } => {
                    named(of("ifname"), ifname)?;
                    let what = format!("interface {ifname} in {}", path.display());
                    once(key, what)?;
                }
            }
        }
        for (number, list) in self.lists.iter().enumerate() {
            let item = Item::Of("list", number, "id");
            once(item, format!("list {}", list.id))?;
        }
        let numbers = self.vic_numbers.parameters();
        numbers.map_err(|error| (Item::Key("vic-numbers"), error))?;
        let by_hand = |vnic: &&VnicConfig| vnic.vif().is_some();
        if self.vic == Some(false)
            && let Some(vnic) = self.vnics.iter().find(|vnic| !by_hand(vnic))
        {
            let vnic = vnic.name.clone();
            return Err((Item::Key("vic"), ConfigError::NoVic { vnic }));
        }
        Ok(())
    }

    /// Whether the control protocol runs: it is of no use if every vNIC is bound by hand.
    pub fn runs_vic(&self) -> bool {
        let assigned = || self.vnics.iter().any(|vnic| vnic.vif().is_none());
        self.vic
            .unwrap_or_else(|| self.vnics.is_empty() || assigned())
    }

    /// Whether long frames are offered to the switch.
    pub fn long_frames(&self) -> bool {
        self.long_frames.unwrap_or(true)
    }

    /// How long guests keep their carrier without a session.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace.unwrap_or(GRACE).into())
    }

    /// The MTU the uplink needs: the largest vNIC's, the VNTag, and one VLAN tag a guest may send
    /// (design.md section 5.8).
    pub fn uplink_mtu(&self) -> u32 {
        let vnic = self
            .vnics
            .iter()
            .map(|vnic| vnic.mtu)
            .max()
            .unwrap_or(DEFAULT_MTU);
        with_tags(vnic)
    }
}

/// The MTU an uplink needs for a vNIC's: room for the VNTag and one VLAN tag a guest may send.
pub const fn with_tags(mtu: u32) -> u32 {
    mtu + vntag::VnTag::LEN as u32 + vntag::VlanTag::LEN as u32
}

/// Refuses what no device can be called.
pub(crate) fn device_name(name: &str) -> Result<(), ConfigError> {
    if is_name(name) {
        Ok(())
    } else {
        Err(ConfigError::Name(name.into()))
    }
}

/// Where the vNIC stands that an error is about: of one that does not fit itself the parser says where the first
/// stands. The key that is named first, if it has that, else its table.
fn vnic_at_fault(text: &str, message: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Written {
        vnic: Vec<VnicSpec>,
    }
    let written: Written = toml::from_str(text).ok()?;
    let at_fault = |spec| VnicConfig::try_from(spec).is_err_and(|why| why == message.trim_end());
    let number = written.vnic.into_iter().position(at_fault)?;
    let key = message.split('`').nth(1).unwrap_or_default();
    Some(place::span(text, Item::Of("vnic", number, key)).start)
}

/// Why a text is no configuration, and where: `LINE:COLUMN: what`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{line}:{column}: {what}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl ParseError {
    fn at(text: &str, octet: usize, what: &str) -> Self {
        let (line, column) = place::line_and_column(text, octet);
        Self {
            line,
            column,
            what: what.trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        uplink = "eth1"
        [[vnic]]
        name = "web1"
        vif = 17
        tap = "tap-web1"
        [[vnic]]
        vif = 18
        netns = "/run/netns/db"
        mac = "02:00:00:00:00:12"
        mtu = 9000
        [[list]]
        id = 4097
        members = [17, 18]
    "#;

    #[test]
    fn a_file_says_all_there_is_to_say() {
        let config = Config::parse(FILE).unwrap();
        assert_eq!(config.uplink, "eth1");
        assert_eq!(
            config.vnics[0].attachment,
            Attachment::Tap("tap-web1".into())
        );
        assert_eq!(config.vnics[1].name, "vnic18");
        let netns = Attachment::Netns {
            path: "/run/netns/db".into(),
            ifname: "eth0".into(),
        };
        assert_eq!(config.vnics[1].attachment, netns);
        assert_eq!(config.uplink_mtu(), 9010);
        assert!(!config.runs_vic(), "every vNIC is bound by hand");
    }

    #[test]
    fn vic_runs_unless_every_vnic_is_bound_by_hand_or_it_is_said() {
        let runs = |text: &str| Config::parse(text).unwrap().runs_vic();
        let profile = "[[vnic]]\nname = \"web1\"\nprofile = \"web\"\n";
        let by_hand = "[[vnic]]\nvif = 1\ntap = \"a\"\n";
        for (head, vnics, expected) in [
            ("", String::new(), true),
            ("", by_hand.to_owned(), false),
            ("", format!("{by_hand}{profile}"), true),
            ("vic = true\n", by_hand.to_owned(), true),
            ("vic = false\n", String::new(), false),
        ] {
            let text = format!("uplink = \"e\"\n{head}{vnics}");
            assert_eq!(runs(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_vnic_with_a_profile_gets_a_tap_of_its_name() {
        let file = r#"
            uplink = "eth1"
            key-file = "/etc/niv/key"
            grace = 5
            [vic-numbers]
            subtype = 1000
            oui = "00-1b-2c"
            [[vnic]]
            name = "web1"
            profile = "web"
            uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8"
        "#;
        let config = Config::parse(file).unwrap();
        assert_eq!(config.vnics[0].attachment, Attachment::Tap("web1".into()));
        assert_eq!(config.grace().as_secs(), 5);
        let numbers = config.vic_numbers.parameters().unwrap();
        assert_eq!((numbers.subtype, numbers.oui), (1000, [0, 0x1B, 0x2C]));
        // What is written down of it says the same again.
        let spec = VnicSpec::from(&config.vnics[0]);
        let json = serde_json::to_string(&spec).unwrap();
        let again: VnicConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(again, config.vnics[0]);
        for (change, by, says) in [
            ("profile = \"web\"", "tap = \"t\"", "either `vif`"),
            (
                "profile = \"web\"",
                "vif = 3\ntap = \"t\"",
                "goes with `profile` only",
            ),
            (
                "\"web1\"",
                "\"web one and only\"",
                "no TAP can be called that",
            ),
            ("10b1", "10bx", "a UUID is 32"),
            ("1000", "2", "a subtype is 3 to 1023"),
            ("00-1b-2c", "00-1b", "three pairs"),
            ("grace = 5", "vic = false", "leave `vic` out"),
        ] {
            let error = Config::parse(&file.replacen(change, by, 1));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(says), "{by}: {error}");
        }
    }

    #[test]
    fn an_error_says_line_and_column_whatever_it_is_about() {
        // The text of FILE begins with an empty line.
        for (change, by, begins) in [
            ("vif = 18", "vif = 17", "8:15: VIF 17 is given twice"),
            ("vif = 18", "vif = 0", "8:15: "),
            (
                "\"tap-web1\"",
                "\"eth1\"",
                "6:15: device eth1 is given twice",
            ),
            ("\"eth1\"", "\"a/b\"", "2:18: `a/b` is no device's name"),
            ("mtu = 9000", "mtu = \"9000\"", "11:15: "),
            (
                "mtu = 9000",
                "mtu = 9",
                "11:15: vNIC 18: `mtu` is 68 to 65535",
            ),
            ("mtu = 9000", "mtu 9000", "11:13: "),
            ("mtu = 9000", "mut = 9000", "11:9: unknown field `mut`"),
            (
                "tap = \"tap-web1\"",
                "",
                "3:9: vNIC web1: give exactly one of",
            ),
            (
                "netns = \"/run/netns/db\"",
                "",
                "7:9: vNIC 18: give exactly one of",
            ),
        ] {
            let error = Config::parse(&FILE.replacen(change, by, 1)).unwrap_err();
            assert!(error.to_string().starts_with(begins), "{by}: {error}");
        }
        let path = std::env::temp_dir().join(format!("iv-config-{}.toml", std::process::id()));
        std::fs::write(
            &path,
            "uplink = \"eth1\"\nvic = false\n[[vnic]]\nname = \"a\"\nprofile = \"p\"\n",
        )
        .unwrap();
        let error = Config::load(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        let begins = format!("{}:2:7: vNIC a has a `profile`", path.display());
        assert!(error.starts_with(&begins), "{error}");
    }

    #[test]
    fn a_bad_file_is_refused_with_the_reason() {
        for (change, by, says) in [
            ("vif = 17", "vif = 0", "0 is not a VIF id"),
            ("vif = 17", "vif = 4096", "4096 is not a VIF id"),
            ("vif = 17", "vif = 18", "VIF 18 is given twice"),
            (
                "tap = \"tap-web1\"",
                "tap = \"a\"\ndevice = \"b\"",
                "exactly one of",
            ),
            ("tap = \"tap-web1\"", "", "exactly one of"),
            (
                "tap = \"tap-web1\"",
                "tap = \"eth1\"",
                "device eth1 is given twice",
            ),
            ("mtu = 9000", "mtu = 9", "68 to 65535"),
            ("02:00:00:00:00:12", "03:00:00:00:00:12", "one station"),
            ("\"eth1\"", "\"a/b\"", "`a/b` is no device's name"),
            ("uplink =", "uplnk =", "unknown field `uplnk`"),
            ("id = 4097", "id = 16384", "16384 is not a VIF list id"),
        ] {
            let error = Config::parse(&FILE.replacen(change, by, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{by}: {error}");
        }
    }
}
