//! The control loop's part of the conversation with a shell.

use super::answer::{Ask, Asked, Reply, What};
use super::roles::{self, Accounts};
use super::run::Daemon;
use super::view::LookError;
use crate::changes::{At, Now, Proposed, Who, diff};
use crate::config::{
    Config, Context, InterfaceId, Line, MAX_FILE, Privilege, Typed, VethId, parse_bytes,
};
use crate::control::show::{
    Answer, HistoryEntry, SCHEMA, ShowDiff, ShowHistory, ShowRunningConfig,
};
use crate::shell::Fault;
use crate::startup::{self, ToSave};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::{info, warn};

impl Daemon {
    /// Answers one question. A client that is gone by now hears nothing.
    pub(super) async fn answer(&mut self, asked: Asked) {
        let reply = self.judge(asked.ask).await;
        let _ = asked.reply.send(reply);
    }

    async fn judge(&mut self, ask: Ask) -> Reply {
        let at = ask.at.clone();
        let outcome = self.judged(ask).await;
        let hostname = self.hostname();
        match outcome {
            Ok(reply) => Reply { hostname, ..reply },
            Err(fault) => Reply {
                at,
                hostname,
                fault: Some(fault),
                ..Reply::default()
            },
        }
    }

    async fn judged(&mut self, ask: Ask) -> Result<Reply, Fault> {
        let accounts = Accounts::read();
        let who = Who {
            uid: ask.peer.uid,
            name: accounts.user(ask.peer.uid).map(str::to_owned),
            pid: ask.peer.pid,
        };
        let privilege = roles::privilege(ask.peer, &self.said.roles, &accounts);
        match privilege {
            Some(Privilege::Network) => {}
            Some(Privilege::Operator) => {
                self.may_operate(&who, &ask.what)?;
                if let What::Say(..) = &ask.what {
                    let now = self.now();
                    self.turns.take(who.uid, now).map_err(|wait| {
                        let wait = wait.as_secs() + 1;
                        Fault::whole(format!(
                            "{who} has made too many changes: the next one in {wait} s"
                        ))
                    })?;
                }
            }
            None => {
                return Err(Fault::whole(format!(
                    "{who} has no role on this switch: somebody with the role network may say `role operator user {}`",
                    who.name.clone().unwrap_or_else(|| who.uid.to_string())
                )));
            }
        }
        if let What::Say(line, _) = &ask.what
            && let Line::Typed(Typed::Attach(veth, _)) = **line
        {
            self.is_there(veth)?;
        }
        let mut reply = Reply {
            at: ask.at.clone(),
            ..Reply::default()
        };
        // A note is for those who can do something about it.
        if privilege == Some(Privilege::Network) && ask.is_shell {
            reply.notes = self.changes.notes(&mut reply.at, self.now());
            let waiting = self.changes.awaiting(self.now());
            if let (What::Hello, Some((who, left))) = (&ask.what, waiting) {
                reply.notes.push(format!(
                    "a commit by {who} waits {} s to be confirmed: `commit` confirms it",
                    left.as_secs()
                ));
            }
        }
        match ask.what {
            What::Hello => {}
            What::Show(request) => {
                let answer = self.look(request).await;
                reply.answer = Some(answer.map_err(|error| Fault::whole(error.to_string()))?);
            }
            What::Diff => {
                let lines = self.changes.candidate_diff(&ask.at, &who);
                let lines = lines.map_err(|refused| Fault::whole(refused.to_string()))?;
                reply.answer = Some(Answer::Diff(ShowDiff {
                    schema: SCHEMA,
                    lines,
                }));
            }
            What::Plan => {
                let candidate = self.changes.candidate(&ask.at, &who);
                let candidate = candidate.map_err(|refused| Fault::whole(refused.to_string()))?;
                let plan = self.plan(&candidate).await;
                let plan = plan.map_err(|error| Fault::whole(error.to_string()))?;
                reply.answer = Some(Answer::Plan(plan));
            }
            What::ClearHits(one) => {
                let cleared = self.clear_hits(one).await;
                let cleared = cleared.map_err(|gone| Fault::whole(gone.to_string()))?;
                cleared.map_err(|error| Fault::whole(error.to_string()))?;
            }
            What::ClearSecurity(what) => {
                if let Some(interface) = what.interface.filter(|one| !self.is_known(*one)) {
                    return Err(Fault::whole(LookError::NoInterface(interface).to_string()));
                }
                let cleared = self.clear_security(what).await;
                let cleared = cleared.map_err(|gone| Fault::whole(gone.to_string()))?;
                reply.told.push(match cleared {
                    1 => "1 secure address is forgotten".to_owned(),
                    many => format!("{many} secure addresses are forgotten"),
                });
            }
            What::Save => reply.save = Some(self.take_copy(&who)?),
            What::Saved(copy) => self.saved(copy),
            What::Say(line, text) => self.say(&ask.at, *line, &text, &who, &mut reply).await?,
        }
        Ok(reply)
    }

    fn is_there(&self, veth: VethId) -> Result<(), Fault> {
        match self.config.veths.contains_key(&veth) {
            true => Ok(()),
            false => Err(Fault::whole(format!(
                "there is no {}: `show interface brief` lists those there are",
                InterfaceId::Veth(veth)
            ))),
        }
    }

    /// An operator looks, and chooses from the catalogue that the vEth's host is shown.
    fn may_operate(&self, who: &Who, what: &What) -> Result<(), Fault> {
        let line = match what {
            What::Hello | What::Show(_) => return Ok(()),
            What::Say(line, _) => Some(&**line),
            What::Save
            | What::Saved(_)
            | What::Diff
            | What::Plan
            | What::ClearHits(_)
            | What::ClearSecurity(_) => None,
        };
        let Some(Line::Typed(Typed::Attach(veth, profile))) = line else {
            return Err(Fault::whole(format!(
                "{who} has the role operator, which may look, and attach port-profiles, and change nothing else: ask \
                somebody with the role network"
            )));
        };
        let bind = self.config.veths.get(veth).and_then(|veth| veth.bind);
        let link = bind.and_then(|bind| {
            let ethernet = self.config.ethernets.get(&bind.ethernet)?;
            Some((InterfaceId::Ethernet(bind.ethernet), ethernet))
        });
        match link {
            Some((port, link)) if !link.vic.allows(profile.as_str()) => Err(Fault::whole(format!(
                "port-profile {profile} is not in the catalogue of {port}, behind which {} is: somebody with the \
                    role network may say `vic allowed port-profile {profile}` there",
                InterfaceId::Veth(*veth)
            ))),
            Some(_) => Ok(()),
            // That it is not there is said of everybody's line.
            None if !self.config.veths.contains_key(veth) => Ok(()),
            None => Err(Fault::whole(format!(
                "{} is behind no port now, so there is no catalogue to choose from: wait until its host is back, or ask \
                    somebody with the role network",
                InterfaceId::Veth(*veth)
            ))),
        }
    }

    async fn say(
        &mut self,
        at: &At,
        line: Line,
        text: &str,
        who: &Who,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let now = self.clocks();
        let attached = match &line {
            Line::Typed(Typed::Attach(veth, profile)) => Some((*veth, profile.clone())),
            _ => None,
        };
        self.changes.give_up(is_gone);
        let said = self.changes.say(at, line, text, who, now);
        let said = match said {
            Ok(said) => said,
            Err(refused) if refused.leads_back() => {
                reply.at.context = at.context.as_ref().map(|_| Context::Config);
                reply.fault = Some(Fault::whole(refused.to_string()));
                return Ok(());
            }
            Err(refused) => return Err(Fault::whole(refused.to_string())),
        };
        reply.at = At {
            told: reply.at.told,
            ..said.at
        };
        reply.told = said.told;
        if let Some(log) = said.log {
            info!("{log}");
        }
        if let Some(proposed) = said.proposed {
            let told = self.follow_proposed(proposed).await?;
            reply.told.extend(told);
        }
        if let Some((veth, profile)) = attached {
            self.keep_choice(veth, profile);
        }
        self.take_back_unconfirmed().await
    }

    async fn follow_proposed(&mut self, proposed: Proposed) -> Result<Vec<String>, Fault> {
        let told = self.reconfigure(proposed.config.clone()).await;
        let told = told.map_err(|error| {
            warn!("the configuration is not changed: {error}");
            Fault::whole(error.to_string())
        })?;
        let log = self.changes.accept(proposed, self.clocks());
        info!("{log}");
        // In force when the answer says so. What ends the loop is found again there.
        let _ = self.follow().await;
        Ok(told)
    }

    /// Of a commit that nobody confirmed.
    pub(super) async fn take_back_unconfirmed(&mut self) -> Result<(), Fault> {
        let now = self.now();
        if let Some(proposed) = self.changes.handle_timeout(now) {
            match proposed.is_abort() {
                true => info!("a commit is aborted, and taken back"),
                false => warn!("a commit was not confirmed in time, and is taken back"),
            }
            if let Err(fault) = self.follow_proposed(proposed).await {
                let message = format!("the commit cannot be taken back: {}", fault.message);
                warn!("{message}");
                self.changes.cannot_take_back(&fault.message, now);
                return Err(Fault::whole(message));
            }
        }
        Ok(())
    }

    fn clocks(&self) -> Now {
        Now {
            since_start: self.now(),
            clock: SystemTime::now(),
        }
    }

    pub(super) fn hostname(&self) -> String {
        let said = self.said.hostname.as_ref().map(ToString::to_string);
        said.unwrap_or_else(|| {
            let machine = std::fs::read_to_string("/proc/sys/kernel/hostname");
            machine.unwrap_or_default().trim().to_owned()
        })
    }

    fn startup(&self) -> Result<PathBuf, String> {
        self.startup.clone().ok_or_else(|| {
            "this switch was started without --config FILE, so there is no startup configuration: `vis exec \"show \
            running-config\" > FILE` writes one"
                .to_owned()
        })
    }

    fn take_copy(&mut self, who: &Who) -> Result<ToSave, Fault> {
        if let Some((who, left)) = self.changes.awaiting(self.now()) {
            return Err(Fault::whole(format!(
                "nothing is saved: a commit by {who} waits {} s to be confirmed: `commit` confirms it",
                left.as_secs()
            )));
        }
        let path = self.startup().map_err(Fault::whole)?;
        self.copies += 1;
        info!(
            "{who} saves the running configuration in {}",
            path.display()
        );
        Ok(ToSave {
            path,
            text: self.said.running_config(),
            number: self.copies,
        })
    }

    pub(super) fn startup_config(&self) -> Result<ShowRunningConfig, String> {
        let path = self.startup()?;
        let octets = startup::read_at_once(&path).map_err(|error| cannot_read(&path, &error))?;
        if octets.len() > MAX_FILE {
            return Err(format!(
                "the startup configuration {} is longer than the {MAX_FILE} octets that a configuration may have",
                path.display()
            ));
        }
        Ok(ShowRunningConfig {
            schema: SCHEMA,
            text: String::from_utf8_lossy(&octets).into_owned(),
        })
    }

    /// From the startup configuration to the running one.
    pub(super) fn running_diff(&self) -> Result<ShowDiff, String> {
        let path = self.startup()?;
        let startup = match startup::read_at_once(&path) {
            Ok(octets) => {
                let parsed = parse_bytes(&octets, &path.to_string_lossy());
                let parsed = parsed.map_err(|faults| {
                    let first = faults.first().map(ToString::to_string);
                    format!(
                        "the startup configuration would not be taken: {}",
                        first.unwrap_or_default()
                    )
                });
                parsed?.0
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::empty(),
            Err(error) => return Err(cannot_read(&path, &error)),
        };
        Ok(ShowDiff {
            schema: SCHEMA,
            lines: diff(&startup, &self.said),
        })
    }

    pub(super) fn history(&self) -> ShowHistory {
        let entry = |(number, past): (usize, &crate::changes::Past)| HistoryEntry {
            number: number + 1,
            at: past
                .clock
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            who: past.who.to_string(),
            how: past.how.to_string(),
            lines: past.lines(),
        };
        ShowHistory {
            schema: SCHEMA,
            changes: self.changes.history().enumerate().map(entry).collect(),
        }
    }
}

/// Its process has ended, as far as the kernel says: one whose number is not known here has not. Not by `/proc`, in
/// which a hardened unit sees its own processes only.
fn is_gone(who: &Who) -> bool {
    let pid = who.pid.and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn cannot_read(path: &std::path::Path, error: &std::io::Error) -> String {
    format!(
        "the startup configuration {} cannot be read: {error}",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_is_gone_and_who_cannot_be_known_is_not() {
        let who = |pid| Who {
            uid: 0,
            name: None,
            pid,
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        child.wait().unwrap();
        assert!(is_gone(&who(Some(pid))));
        for alive in [Some(std::process::id() as i32), Some(1), Some(0), None] {
            assert!(!is_gone(&who(alive)), "{alive:?}");
        }
    }
}
