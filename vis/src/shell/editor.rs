//! `vis shell` on a terminal: a line editor with history, TAB and `?`.

use super::ask::{AskError, Daemon};
use super::names::Names;
use super::offer::{self, complete, help, is_text, kinds};
use super::pager::Pager;
use super::say::{Outcome, say};
use super::{Fault, mode, prompt};
use crate::cli::faults::has_colours;
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
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
        let text = match terminal.line(&daemon)? {
            Typed::Line(text) => text,
            Typed::Again => continue,
            Typed::End if daemon.at.context.is_some() => "end".to_owned(),
            Typed::End => break,
        };
        if !terminal.say_all(&mut daemon, &text) {
            break;
        }
    }
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
    asked: Asked,
    history: Option<PathBuf>,
    /// What stood before the cursor when `?` was typed.
    /// Before and behind the cursor.
    begun: (String, String),
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
        let asked = Asked::default();
        editor.set_helper(Some(Words {
            mode: mode.clone(),
            names,
        }));
        let question = Question(asked.clone(), mode.clone());
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
            begun: Default::default(),
            pager: Pager::of_the_terminal(),
            colours: has_colours(&std::io::stdout()),
        })
    }

    fn line(&mut self, daemon: &Daemon) -> Result<Typed, ReadlineError> {
        let mode = mode(&daemon.at);
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        let prompt = prompt(&daemon.hostname, &daemon.at);
        let begun = std::mem::take(&mut self.begun);
        let line = (self.editor).readline_with_initial(&prompt, (&begun.0, &begun.1));
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match line {
            Ok(line) if let Some(at) = asked => {
                let (before, after) = line.split_at_checked(at).unwrap_or((&line, ""));
                print!("{}", offer::print(&help(mode, before)));
                self.begun = (before.to_owned(), after.to_owned());
                Ok(Typed::Again)
            }
            Ok(line) => {
                if !line.trim().is_empty() {
                    // A line too long for it is only not kept.
                    let _ = self.editor.history_mut().add(&line);
                    self.keep_history();
                }
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Again),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }

    /// Says what was typed, or each line of what was pasted, until one is refused. False: the shell ends.
    fn say_all(&mut self, daemon: &mut Daemon, text: &str) -> bool {
        let mut lines = text.lines().flat_map(|line| line.split('\r'));
        while let Some(line) = lines.next() {
            let refused = match say(daemon, line) {
                Ok(Outcome::Nothing) => false,
                Ok(Outcome::Leave) => return false,
                Ok(Outcome::Length(length)) => {
                    self.pager.set_length(length.get());
                    false
                }
                Ok(Outcome::Refused(fault, notes)) => {
                    for note in &notes {
                        self.warn(note);
                    }
                    self.refuse(daemon, line, &fault);
                    true
                }
                Ok(Outcome::Shown { out, told, notes }) => {
                    for note in notes.iter().chain(&told) {
                        self.warn(note);
                    }
                    self.pager.show(&out);
                    false
                }
                // It may be started again; nothing typed is lost by asking then.
                Err(error) => {
                    self.warn(&error.to_string());
                    true
                }
            };
            let left = lines.clone().filter(|line| !line.trim().is_empty()).count();
            if refused && left > 0 {
                self.warn(&format!(
                    "nothing is done with what was pasted behind it: {left} more"
                ));
            }
            if refused {
                break;
            }
        }
        true
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

    /// With each line: a shell may end in any way, and others write there too.
    fn keep_history(&mut self) {
        if let Some(file) = self.history.take() {
            match self.editor.append_history(&file) {
                Ok(()) => self.history = Some(file),
                Err(error) => self.warn(&format!(
                    "the history is not kept in {}: {error}",
                    file.display()
                )),
            }
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
/// meant stands in a text, or is typed after Ctrl-V.
struct Question(Asked, Arc<Mutex<Mode>>);

/// Where in the line `?` was typed.
type Asked = Arc<Mutex<Option<usize>>>;

impl ConditionalEventHandler for Question {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, typed: &EventContext) -> Option<Cmd> {
        let mode = *self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let before = typed.line().get(..typed.pos()).unwrap_or_default();
        if is_text(mode, before) {
            return None;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(typed.pos());
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
