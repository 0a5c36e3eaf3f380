//! What a person can do when the switch says no: one sentence a reason, for `iv attach`, `iv show` and the log.

use vic::Code;

/// As [`mend`], for who said everything on the command line.
pub(crate) fn mend_by_flags(code: Code) -> Option<&'static str> {
    match code {
        Code::WRONG_KEY | Code::KEY_REQUIRED | Code::KEY_NOT_WANTED => Some(
            "give both ends the same key: `--key-file` here, `vic authentication key-file` on the switch, or none to both",
        ),
        code => mend(code),
    }
}

/// What to do about a refusal; `None`: its own sentence has to do.
pub(crate) fn mend(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::UNKNOWN_PROFILE => {
            "`iv profiles` lists those there are; detach the vNIC and attach it with one of them"
        }
        Code::PROFILE_NOT_ALLOWED => {
            "`iv profiles` lists those allowed here; on the switch, `vic allowed port-profile NAME` on the port allows another"
        }
        Code::PROFILE_INCOMPLETE => "complete the port profile on the switch",
        Code::IN_USE => {
            "detach it where it is, or wait for the switch's grace time after that host is gone"
        }
        Code::MTU => {
            "raise the MTU at both ends (`ip link set dev DEVICE mtu N`), or attach with a smaller --mtu"
        }
        Code::SHUT => "`no shutdown` on that interface of the switch",
        Code::NO_VIF_FREE => "detach vNICs that are not needed on this link",
        Code::WRONG_KEY | Code::KEY_REQUIRED | Code::KEY_NOT_WANTED => {
            "give both ends the same key: `key-file` here, `vic authentication key-file` on the switch, or none to both"
        }
        Code::NO_AUTHENTICATION => {
            "tell the switch how hosts prove who they are: `vic authentication ...`, or `--open`"
        }
        Code::VERSION => "run releases of the same protocol version at both ends",
        Code::DUPLICATE_IDENTITY => {
            "two hosts have one /etc/machine-id: give each its own (`systemd-machine-id-setup`)"
        }
        Code::LINK_BUSY => "only one `iv` may use a link: stop the other one",
        _ => return None,
    })
}
