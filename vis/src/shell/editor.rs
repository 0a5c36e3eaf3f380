//! `vis shell` on a terminal: a line editor with history, TAB and `?`.

use super::ask::{AskError, Daemon};
use super::names::Names;
use super::offer::{self, complete, help, kinds};
use super::pager::Pager;
use super::say::{Outcome, say};
use super::{Fault, mode, prompt};
use crate::config::grammar::Mode;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    Helper, KeyEvent, RepeatCount,
};
use std::fs::DirBuilder;
use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of history that are kept.
const HISTORY: usize = 1000;

/// Why a shell ends.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The daemon does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The terminal.
    #[error("the terminal cannot be used")]
    Terminal(#[from] ReadlineError),
}

/// Talks with the daemon until the user leaves.
///
/// # Errors
/// The daemon does not answer at first, or the terminal fails.
pub fn shell(socket: Option<&Path>) -> Result<ExitCode, ShellError> {
    let (mut daemon, hello) = Daemon::connect(socket)?;
    if let Some(fault) = hello.fault {
        eprintln!("{}", fault.message);
        return Ok(ExitCode::FAILURE);
    }
    let mut terminal = Terminal::new(Names::new(socket))?;
    for note in hello.notes {
        terminal.warn(&note);
    }
    println!(
        "`?` says what may stand where the cursor is, TAB completes a word or a name, `exit` leaves."
    );
    loop {
        let line = match terminal.line(&daemon)? {
            Typed::Line(line) => line,
            Typed::Again => continue,
            Typed::End if daemon.at.context.is_some() => "end".to_owned(),
            Typed::End => break,
        };
        match say(&mut daemon, &line) {
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Leave) => break,
            Ok(Outcome::Length(length)) => terminal.pager.set_length(length.get()),
            Ok(Outcome::Refused(fault)) => terminal.refuse(&daemon, &line, &fault),
            Ok(Outcome::Shown { out, told, notes }) => {
                for note in notes.iter().chain(&told) {
                    terminal.warn(note);
                }
                terminal.pager.show(&out);
            }
            // It may be started again; nothing typed is lost by asking then.
            Err(error) => terminal.warn(&error.to_string()),
        }
    }
    terminal.keep_history();
    Ok(ExitCode::SUCCESS)
}

enum Typed {
    Line(String),
    Again,
    End,
}

struct Terminal {
    editor: Editor<Words, FileHistory>,
    mode: Arc<Mutex<Mode>>,
    asked: Arc<AtomicBool>,
    history: Option<PathBuf>,
    /// What stood before the cursor when `?` was typed.
    begun: String,
    pager: Pager,
    colours: bool,
}

impl Terminal {
    fn new(names: Names) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .completion_type(rustyline::CompletionType::List)
            .max_history_size(HISTORY)?
            .history_ignore_dups(true)?
            .build();
        let mut editor: Editor<Words, FileHistory> = Editor::with_config(config)?;
        let mode = Arc::new(Mutex::new(Mode::Exec));
        let asked = Arc::new(AtomicBool::new(false));
        editor.set_helper(Some(Words {
            mode: mode.clone(),
            names,
        }));
        let question = Question(asked.clone());
        editor.bind_sequence(
            KeyEvent::from('?'),
            EventHandler::Conditional(Box::new(question)),
        );
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first shell.
            let _ = editor.load_history(file);
        }
        Ok(Self {
            editor,
            mode,
            asked,
            history,
            begun: String::new(),
            pager: Pager::of_the_terminal(),
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        })
    }

    fn line(&mut self, daemon: &Daemon) -> Result<Typed, ReadlineError> {
        let mode = mode(&daemon.at);
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        let prompt = prompt(&daemon.hostname, &daemon.at);
        let begun = std::mem::take(&mut self.begun);
        match self.editor.readline_with_initial(&prompt, (&begun, "")) {
            Ok(line) if self.asked.swap(false, Ordering::Relaxed) => {
                print!("{}", offer::print(&help(mode, &line)));
                self.begun = line;
                Ok(Typed::Again)
            }
            Ok(line) => {
                if !line.trim().is_empty() {
                    // A line too long for it is only not kept.
                    let _ = self.editor.history_mut().add(&line);
                }
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Again),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }

    /// The mark stands below the place, as far right as the prompt has moved it.
    fn refuse(&self, daemon: &Daemon, line: &str, fault: &Fault) {
        if let Some(start) = fault.start {
            let before = line
                .get(..line.floor_char_boundary(start))
                .unwrap_or_default();
            let column =
                prompt(&daemon.hostname, &daemon.at).chars().count() + before.chars().count();
            println!("{:column$}^", "");
        }
        self.warn(&fault.message);
        if let Some(help) = &fault.help {
            println!("{help}");
        }
    }

    fn warn(&self, text: &str) {
        if self.colours {
            println!("\u{1b}[33m{text}\u{1b}[0m");
        } else {
            println!("{text}");
        }
    }

    fn keep_history(&mut self) {
        if let Some(file) = &self.history
            && let Err(error) = self.editor.save_history(file)
        {
            eprintln!("the history is not kept in {}: {error}", file.display());
        }
    }
}

/// `$XDG_STATE_HOME/niv/vis_history`, else below the home.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let folder = state.or_else(home)?.join("niv");
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.ok()?;
    Some(folder.join("vis_history"))
}

/// `?` ends the line as return does, and says that it did; the line is then offered again as it was. A `?` that is
/// meant is typed after Ctrl-V.
struct Question(Arc<AtomicBool>);

impl ConditionalEventHandler for Question {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// Completes words of the mode somebody is in, and names the switch has.
struct Words {
    mode: Arc<Mutex<Mode>>,
    names: Names,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line.get(..position).unwrap_or_default();
        let (start, words) = complete(mode, line);
        let begun = line.get(start..).unwrap_or_default();
        let mut all: Vec<String> = words.into_iter().map(str::to_owned).collect();
        for kind in kinds(mode, line) {
            let names = self.names.of(kind).into_iter();
            all.extend(names.filter(|name| name.starts_with(begun)));
        }
        for word in &mut all {
            word.push(' ');
        }
        Ok((start, all))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}
