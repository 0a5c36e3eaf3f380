//! Commands that are typed and never stand in a file, but for `role`.

use super::grammar::SHOW;
use super::line::{ClearSecurity, Line, Pipe, Typed, Way};
use super::looking;
use super::model::{Grantee, InterfaceId, Privilege};
use super::tree::{Node, Values, value, word};
use super::value::Kind;
use crate::control::show::ShowRequest;
use niv::Mac;

fn typed(line: Typed) -> Option<Line> {
    Some(Line::Typed(line))
}

/// Outside the configuration.
pub(super) const EXEC: &[Node] = &[
    word(
        "abort",
        "Take back the commit that waits to be confirmed, now",
    )
    .line(|_| typed(Typed::Abort)),
    ATTACH,
    CLEAR,
    word("commit", "Confirm the commit that waits for it").line(|_| typed(Typed::Commit(None))),
    word("configure", "Change the configuration")
        .line(|_| typed(Typed::Configure(Way::AsTyped)))
        .then(&[
            word("candidate", "A copy, which `commit` puts in force")
                .line(|_| typed(Typed::Configure(Way::Candidate))),
            word("terminal", "Every line is in force as soon as it is typed")
                .line(|_| typed(Typed::Configure(Way::AsTyped))),
        ]),
    COPY,
    word("end", "Stay here").line(|_| Some(Line::End)),
    word("exit", "Leave the shell").line(|_| Some(Line::Exit)),
    looking::EXPLAIN,
    ROLLBACK,
    SHOW,
    TERMINAL,
    WRITE,
];

/// While configuring.
pub(super) const WITHIN: &[Node] = &[
    word("abort", "Give up the candidate").line(|_| typed(Typed::Abort)),
    word("commit", "Put the candidate in force")
        .line(|_| typed(Typed::Commit(None)))
        .then(&[word(
            "confirmed",
            "And take it back unless `commit` is said again",
        )
        .then(&[value(Kind::Confirm, "Seconds to say so")
            .line(|values| typed(Typed::Commit(Some(values.take()?))))])]),
    word("do", "A command from outside the configuration").then(EXEC),
    word(
        "plan",
        "What `commit` would change of interfaces, and of frames that came lately",
    )
    .line(|_| typed(Typed::Plan)),
    ROLLBACK,
    SHOW,
];

/// Of the catalogue; this much an operator may change.
const ATTACH: Node =
    word("attach", "Give a vEth another port profile").then(&[word("interface", "Which").then(&[
        word("vethernet", "A vEth").then(&[value(Kind::Veth, "Its number").then(&[word(
            "port-profile",
            "A port profile",
        )
        .then(&[value(Kind::Profile, "Its name")
            .line(|values| Some(Line::Typed(Typed::Attach(values.take()?, values.take()?))))])])]),
    ])]);

const CLEAR: Node = word("clear", "Begin to count anew, or to learn").then(&[
    word("access-list", "What lines of access lists have decided").then(&[word(
        "counters",
        "How often",
    )
    .line(|_| typed(Typed::ClearHits(None)))
    .then(&[value(Kind::Acl, "Of one list")
        .line(|values| typed(Typed::ClearHits(Some(values.take()?))))])]),
    word("port-security", "Secure addresses that were learned")
        .line(|_| clear_security(None, None, None))
        .then(&[
            word("address", "One of them").then(&[value(Kind::Address, "Which")
                .line(|values| clear_security(None, None, Some(values.take()?)))]),
            word("dynamic", "Those that are not sticky")
                .line(|_| clear_security(Some(false), None, None))
                .then(&[
                    word("address", "One of them").then(&[value(Kind::Address, "Which")
                        .line(|values| clear_security(Some(false), None, Some(values.take()?)))]),
                    word("interface", "Those of one interface").then(&[
                        word("ethernet", "An ethernet interface").then(&[value(
                            Kind::Ethernet,
                            "Its number",
                        )
                        .line(|values| clear_of_ethernet(Some(false), values))]),
                        word("vethernet", "A vEth").then(&[value(Kind::Veth, "Its number")
                            .line(|values| clear_of_veth(Some(false), values))]),
                    ]),
                ]),
            word("interface", "Those of one interface").then(&[
                word("ethernet", "An ethernet interface").then(&[value(
                    Kind::Ethernet,
                    "Its number",
                )
                .line(|values| clear_of_ethernet(None, values))]),
                word("vethernet", "A vEth").then(&[
                    value(Kind::Veth, "Its number").line(|values| clear_of_veth(None, values))
                ]),
            ]),
            word("sticky", "Those that are kept over restarts")
                .line(|_| clear_security(Some(true), None, None))
                .then(&[
                    word("address", "One of them").then(&[value(Kind::Address, "Which")
                        .line(|values| clear_security(Some(true), None, Some(values.take()?)))]),
                    word("interface", "Those of one interface").then(&[
                        word("ethernet", "An ethernet interface").then(&[value(
                            Kind::Ethernet,
                            "Its number",
                        )
                        .line(|values| clear_of_ethernet(Some(true), values))]),
                        word("vethernet", "A vEth").then(&[value(Kind::Veth, "Its number")
                            .line(|values| clear_of_veth(Some(true), values))]),
                    ]),
                ]),
        ]),
]);

fn clear_security(
    sticky: Option<bool>,
    interface: Option<InterfaceId>,
    mac: Option<Mac>,
) -> Option<Line> {
    typed(Typed::ClearSecurity(ClearSecurity {
        sticky,
        interface,
        mac,
    }))
}

fn clear_of_ethernet(sticky: Option<bool>, values: &mut Values) -> Option<Line> {
    clear_security(sticky, Some(InterfaceId::Ethernet(values.take()?)), None)
}

fn clear_of_veth(sticky: Option<bool>, values: &mut Values) -> Option<Line> {
    clear_security(sticky, Some(InterfaceId::Veth(values.take()?)), None)
}

const COPY: Node = word("copy", "Save the configuration").then(&[word(
    "running-config",
    "The configuration in force",
)
.then(&[word("startup-config", "The file the switch starts with").line(|_| typed(Typed::Save))])]);

const WRITE: Node = word("write", "Save the configuration")
    .line(|_| typed(Typed::Save))
    .then(&[word("memory", "In the file the switch starts with").line(|_| typed(Typed::Save))]);

const ROLLBACK: Node = word("rollback", "Go back to an earlier configuration").then(&[value(
    Kind::Steps,
    "Changes to take back, as `show configuration history` numbers them",
)
.line(|values| typed(Typed::Rollback(values.take()?)))]);

const TERMINAL: Node = word("terminal", "This shell").then(&[word(
    "length",
    "Lines of a page; 0: everything at once",
)
.then(&[value(Kind::Length, "Lines").line(|values| typed(Typed::Length(values.take()?)))])]);

pub(super) const SHOW_CONFIGURATION: Node = word("configuration", "Changes of the configuration")
    .then(&[word("history", "Who changed what, and when")
        .line(|_| Some(Line::Show(ShowRequest::History)))]);

pub(super) const SHOW_DIFF: Node =
    word("diff", "What `commit` would change").line(|_| typed(Typed::Diff));

/// What may follow `|`.
pub const PIPES: &[Node] = &[
    word("begin", "From the first line that matches").then(&[value(
        Kind::Pattern,
        "A regular expression",
    )
    .line(|values| pipe(Pipe::Begin(values.take()?)))]),
    word("count", "How many lines").line(|_| pipe(Pipe::Count)),
    word("exclude", "Lines that do not match").then(&[value(
        Kind::Pattern,
        "A regular expression",
    )
    .line(|values| pipe(Pipe::Exclude(values.take()?)))]),
    word("include", "Lines that match").then(&[value(Kind::Pattern, "A regular expression")
        .line(|values| pipe(Pipe::Include(values.take()?)))]),
    word("json", "As JSON").line(|_| pipe(Pipe::Json)),
];

const fn pipe(pipe: Pipe) -> Option<Line> {
    Some(Line::Pipe(pipe))
}

/// Who may do what on the control socket.
pub(super) const ROLE: Node = word("role", "Who may do what").then(&[
    word("network", "Everything").then(&[
        word("group", "The users of a group").then(&[value(Kind::Account, "Its name or number")
            .line(|values| grant(Privilege::Network, Grantee::Group, values))
            .no(|values| revoke(Privilege::Network, Grantee::Group, values))]),
        word("user", "One user").then(&[value(Kind::Account, "Its name or number")
            .line(|values| grant(Privilege::Network, Grantee::User, values))
            .no(|values| revoke(Privilege::Network, Grantee::User, values))]),
    ]),
    word("operator", "Looking on, and attaching port profiles").then(&[
        word("group", "The users of a group").then(&[value(Kind::Account, "Its name or number")
            .line(|values| grant(Privilege::Operator, Grantee::Group, values))
            .no(|values| revoke(Privilege::Operator, Grantee::Group, values))]),
        word("user", "One user").then(&[value(Kind::Account, "Its name or number")
            .line(|values| grant(Privilege::Operator, Grantee::User, values))
            .no(|values| revoke(Privilege::Operator, Grantee::User, values))]),
    ]),
]);

fn grant(
    privilege: Privilege,
    grantee: fn(super::name::Account) -> Grantee,
    values: &mut Values,
) -> Option<Line> {
    Some(Line::Role(privilege, grantee(values.take()?), true))
}

fn revoke(
    privilege: Privilege,
    grantee: fn(super::name::Account) -> Grantee,
    values: &mut Values,
) -> Option<Line> {
    Some(Line::Role(privilege, grantee(values.take()?), false))
}
