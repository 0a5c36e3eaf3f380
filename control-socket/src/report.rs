//! What a command line says: answers to whoever reads them, and what went wrong.

use std::error::Error;
use std::io::{self, Write};

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) {
    // Nothing can be said to a reader that is gone.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Prints an error to standard error: its sentence, then each cause that says something more.
pub fn report(program: &str, error: &dyn Error) {
    let mut said = error.to_string();
    let mut text = format!("{program}: {said}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if !said.contains(&sentence) {
            text.push_str(&format!("  because: {sentence}\n"));
            said = sentence;
        }
        cause = error.source();
    }
    let _ = io::stderr().write_all(text.as_bytes());
}
