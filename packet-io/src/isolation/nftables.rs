//! The few nf_tables messages isolation takes (`linux/netfilter/nf_tables.h`), and the socket for them.

use super::{Admit, LINK_ETHERTYPES, TABLE_PREFIX, table_name};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, DevHookNumber, Expressions, Hook, Immediate,
    Meta, MetaKey, NfTablesMessage, Operator, Register, RuleAttribute, RuleMessage, TableAttribute,
    TableMessage, Verdict, VerdictAttribute,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    NetfilterSubsystem,
};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

const CHAIN: &str = "ingress";

/// NF_DROP and NF_ACCEPT of `linux/netfilter.h`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Early among the chains of the hook, so that none before it hands frames on. A frame accepted here still
/// meets the later ones; a frame dropped here is gone.
const PRIORITY: i32 = -1000;

/// A socket to nf_tables in the namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Socket {
    socket: netlink_sys::Socket,
}

impl Socket {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        // The kernel answers within the call that asks, so there is never a reason to wait.
        socket.set_non_blocking(true)?;
        Ok(Self { socket })
    }

    /// Puts a table for each device in place of the one that may be there, in one transaction: all or none.
    pub(super) fn replace(&self, devices: &[(&str, Admit)]) -> io::Result<()> {
        let steps = devices
            .iter()
            .flat_map(|&(device, admit)| Self::steps(device, admit));
        self.transaction(steps.collect())
    }

    fn steps(device: &str, admit: Admit) -> Vec<(u16, NfTablesMessage)> {
        let create = NLM_F_CREATE;
        let table = &*table_name(device);
        let mut steps = vec![
            // Added so that there is one to delete.
            (create, new_table(table, device)),
            (0, delete_table(table)),
            (create, new_table(table, device)),
            (create, new_chain(table, device)),
        ];
        if admit == Admit::Link {
            let rules = LINK_ETHERTYPES.map(|ethertype| {
                (
                    NLM_F_CREATE | NLM_F_APPEND,
                    accept_ethertype(table, ethertype),
                )
            });
            steps.extend(rules);
        }
        steps
    }

    /// Removes the table and all that is in it; fine if there is none.
    pub(super) fn remove(&self, table: &str) -> io::Result<()> {
        match self.transaction(vec![(0, delete_table(table))]) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }

    /// Whether the chain is there, hooked to `device`, with policy drop.
    pub(super) fn drops_all_but_rules(&self, table: &str, device: &str) -> io::Result<bool> {
        let question = NfTablesMessage::GetChain(ChainMessage {
            attributes: vec![
                ChainAttribute::Table(table.to_owned()),
                ChainAttribute::Name(CHAIN.to_owned()),
            ],
        });
        self.send(&[serialize(netdev(question), 0, 1)])?;
        for answer in self.receive()? {
            match answer.payload {
                NetlinkPayload::InnerMessage(NetfilterMessage {
                    inner: NetfilterMessageInner::NfTables(NfTablesMessage::NewChain(chain)),
                    ..
                }) => return Ok(is_ours(&chain.attributes, device)),
                NetlinkPayload::Error(error) if error.raw_code() == -libc::ENOENT => {
                    return Ok(false);
                }
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                _ => {}
            }
        }
        Err(no_answer())
    }

    /// The devices whose chains are there, hooked to them, with policy drop. While others change the rules one may be
    /// missing.
    pub(super) fn dropping(&self) -> io::Result<BTreeSet<String>> {
        let question = NfTablesMessage::GetChain(ChainMessage {
            attributes: Vec::new(),
        });
        self.send(&[serialize(netdev(question), NLM_F_DUMP, 1)])?;
        let mut devices = BTreeSet::new();
        loop {
            for answer in self.receive()? {
                match answer.payload {
                    NetlinkPayload::InnerMessage(NetfilterMessage {
                        inner: NetfilterMessageInner::NfTables(NfTablesMessage::NewChain(chain)),
                        ..
                    }) => devices.extend(isolated_by(&chain.attributes)),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Done(_) => return Ok(devices),
                    _ => {}
                }
            }
        }
    }

    /// All steps or none. The flags are those beside "request" and "acknowledge".
    fn transaction(&self, steps: Vec<(u16, NfTablesMessage)>) -> io::Result<()> {
        let mut messages = vec![serialize(batch(ControlMessage::BatchBegin), 0, 0)];
        let last = steps.len() as u32;
        for (sequence, (flags, step)) in (1..).zip(steps) {
            // A step that is refused is answered in any case.
            let acknowledge = if sequence == last { NLM_F_ACK } else { 0 };
            messages.push(serialize(netdev(step), flags | acknowledge, sequence));
        }
        messages.push(serialize(batch(ControlMessage::BatchEnd), 0, last + 1));
        self.send(&messages)?;
        // An answer to the last step, behind those to the refused ones; a refusal of the whole answers the batch's
        // beginning.
        loop {
            for answer in self.receive()? {
                let NetlinkPayload::Error(error) = answer.payload else {
                    continue;
                };
                if error.code.is_some() {
                    return Err(error.to_io());
                }
                if answer.header.sequence_number == last {
                    return Ok(());
                }
            }
        }
    }

    fn send(&self, messages: &[Vec<u8>]) -> io::Result<()> {
        let bytes = messages.concat();
        let sent = self.socket.send(&bytes, 0)?;
        if sent == bytes.len() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::WriteZero,
            "the kernel took part of a netlink request",
        ))
    }

    fn receive(&self) -> io::Result<Vec<NetlinkMessage<NetfilterMessage>>> {
        let (bytes, _) = self
            .socket
            .recv_from_full()
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => no_answer(),
                _ => error,
            })?;
        let mut rest = bytes.as_slice();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn no_answer() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "nf_tables did not answer a netlink request",
    )
}

/// The device that a chain of ours isolates.
fn isolated_by(chain: &[ChainAttribute]) -> Option<String> {
    let named = chain
        .iter()
        .any(|a| matches!(a, ChainAttribute::Name(name) if name == CHAIN));
    let table = chain.iter().find_map(|a| match a {
        ChainAttribute::Table(table) => Some(table),
        _ => None,
    })?;
    let device = table.strip_prefix(TABLE_PREFIX)?;
    (named && is_ours(chain, device)).then(|| device.to_owned())
}

fn is_ours(chain: &[ChainAttribute], device: &str) -> bool {
    let drops = chain
        .iter()
        .any(|a| matches!(a, ChainAttribute::Policy(policy) if *policy == DROP));
    let hooked = chain.iter().any(|a| match a {
        ChainAttribute::Hook(parts) => parts
            .iter()
            .any(|part| matches!(part, Hook::NetDeviceName(name) if name == device)),
        _ => false,
    });
    drops && hooked
}

fn new_table(table: &str, device: &str) -> NfTablesMessage {
    let comment =
        format!("iv or vis reads {device} by a raw socket; this keeps the host's own stack off it");
    NfTablesMessage::NewTable(TableMessage {
        attributes: vec![
            TableAttribute::Name(table.to_owned()),
            TableAttribute::UserData(comment_data(&comment)),
        ],
    })
}

fn delete_table(table: &str) -> NfTablesMessage {
    NfTablesMessage::DeleteTable(TableMessage {
        attributes: vec![TableAttribute::Name(table.to_owned())],
    })
}

fn new_chain(table: &str, device: &str) -> NfTablesMessage {
    NfTablesMessage::NewChain(ChainMessage {
        attributes: vec![
            ChainAttribute::Table(table.to_owned()),
            ChainAttribute::Name(CHAIN.to_owned()),
            ChainAttribute::Hook(vec![
                Hook::Number(DevHookNumber::Ingress.into()),
                Hook::Priority(PRIORITY.cast_unsigned()),
                Hook::NetDeviceName(device.to_owned()),
            ]),
            ChainAttribute::Policy(DROP),
            ChainAttribute::Type("filter".to_owned()),
        ],
    })
}

/// `meta protocol ETHERTYPE accept`: the type behind a VLAN tag that the kernel took out.
fn accept_ethertype(table: &str, ethertype: u16) -> NfTablesMessage {
    let expressions = [
        Expressions::Meta(vec![
            Meta::Key(MetaKey::EtherTypeProtocol),
            Meta::DestinationRegister(Register::Reg1),
        ]),
        Expressions::Cmp(vec![
            Cmp::SourceRegister(Register::Reg1),
            Cmp::Op(Operator::Equal),
            Cmp::Data(DataAttribute::Value(ethertype.to_be_bytes().to_vec())),
        ]),
        Expressions::Immediate(vec![
            Immediate::DestinationRegister(Register::Verdict),
            Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(
                Verdict::Other(ACCEPT),
            )])),
        ]),
    ];
    NfTablesMessage::NewRule(RuleMessage {
        attributes: vec![
            RuleAttribute::Table(table.to_owned()),
            RuleAttribute::Chain(CHAIN.to_owned()),
            RuleAttribute::Expressions(expressions.map(Into::into).to_vec()),
        ],
    })
}

/// A comment as `nft` writes and prints it: type 0, length, text with its final zero (libnftnl `udata.h`).
fn comment_data(comment: &str) -> Vec<u8> {
    // 128 octets at most with the final zero, as in `nft`; a device's name is 15 at most, so none is cut.
    let text = comment.as_bytes().iter().take(127).copied();
    let mut data = vec![0, 0];
    data.extend(text);
    data.push(0);
    if let Some(length) = data.get_mut(1) {
        *length = u8::try_from(comment.len().min(127) + 1).unwrap_or(u8::MAX);
    }
    data
}

fn netdev(message: NfTablesMessage) -> NetfilterMessage {
    let header = NetfilterHeader::new(NetfilterProtoFamily::NetDev, 0, 0);
    NetfilterMessage::new(header, message)
}

fn batch(message: ControlMessage) -> NetfilterMessage {
    let subsystem = u16::from(u8::from(NetfilterSubsystem::NfTables));
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, subsystem);
    NetfilterMessage::new(header, message)
}

fn serialize(message: NetfilterMessage, flags: u16, sequence: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
    message.serialize(&mut bytes);
    bytes
}
