//! Colours and marks. `NO_COLOR`, `CLICOLOR` and a missing terminal are honoured.

use std::{
    borrow::Cow,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use console::{Style, Term};
use pact_contract::{RunStatus, StageStatus, cause::turns};
use tracing_subscriber::EnvFilter;

use crate::hints;

/// Has no colours where none are wanted.
pub(crate) fn colours() {
    if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        console::set_colors_enabled(false);
        console::set_colors_enabled_stderr(false);
    }
}

/// Whether errors have colours.
pub(crate) fn colours_of_errors() -> bool {
    console::colors_enabled_stderr()
}

/// Sets up colours and, with `--verbose`, the stack's own log on standard error.
pub(crate) fn init(verbose: u8) {
    colours();
    let level = match verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .with_ansi(console::colors_enabled_stderr())
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}

/// The log on standard error: nothing of it is obeyed either.
struct Log;

impl Write for Log {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(part);
        std::io::stderr().write_all(harmless(&text, colours_of_errors()).as_bytes())?;
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Whether something that was to be on standard output is not there.
static LOST: AtomicBool = AtomicBool::new(false);

/// Text for people on standard output: whatever is in it, the terminal obeys its colours alone.
pub(crate) fn print(text: &str) {
    write(&harmless(text, console::colors_enabled()));
}

/// Text for programs on standard output, in a language with escapes such as `\u202e`.
pub(crate) fn machine(text: &str) {
    write(&escaped(text));
}

/// The text of a document for programs, which has escapes such as `\u202e`: what a terminal would obey is
/// written so, which changes nothing of what it says.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| turns(c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Text for people of which a terminal obeys nothing but line feeds, tabs and, where there are `colours`,
/// these.
fn harmless(text: &str, colours: bool) -> Cow<'_, str> {
    let odd = |c: char| turns(c) || (c.is_control() && !matches!(c, '\n' | '\t'));
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(odd) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let colour = if colours { colour(from) } else { 0 };
        let c = from.chars().next().unwrap_or_default();
        match colour {
            0 if turns(c) => out.extend(c.escape_unicode()),
            0 => out.push(' '),
            length => out.push_str(from.get(..length).unwrap_or_default()),
        }
        rest = from.get(colour.max(c.len_utf8())..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// How long the sequence is by which the text changes its colour, or becomes bold, dim or underlined as
/// here; 0 where it begins with none.
fn colour(text: &str) -> usize {
    let ours = |number: &str| matches!(number.parse(), Ok(0..=4 | 22..=24 | 31..=36 | 39));
    let sequence = text.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m'));
    match sequence {
        Some((numbers, _)) if numbers.split(';').all(ours) => numbers.len() + 3,
        _ => 0,
    }
}

/// A reader that has seen enough (`| head`) is no reason to fail; a full disk is, see [`lost`].
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            tracing::debug!("standard output is closed");
        }
        Err(why) => {
            if !LOST.swap(true, Ordering::Relaxed) {
                error(&format!("cannot write to standard output: {why}"));
            }
        }
    }
}

/// Whether not everything could be written to standard output, so that nobody is to take what is there
/// for the whole.
pub(crate) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// As the standard library's, which panics when nobody reads any more.
macro_rules! println {
    ($($part:tt)*) => { $crate::term::print(&(format!($($part)*) + "\n")) };
}

/// As the standard library's, which panics when nobody reads any more.
macro_rules! print {
    ($($part:tt)*) => { $crate::term::print(&format!($($part)*)) };
}

/// A line on standard error, of which nothing is obeyed either. A closed pipe is no reason to fail.
pub(crate) fn note(text: &str) {
    let text = harmless(text, colours_of_errors());
    if writeln!(std::io::stderr(), "{text}").is_err() {
        tracing::debug!("standard error is closed");
    }
}

/// `error: …` on standard error.
pub(crate) fn error(text: &str) {
    line("error:", Style::new().red(), text);
}

/// `  help: …` on standard error.
pub(crate) fn hint(text: &str) {
    line("help:", Style::new().cyan(), text);
}

/// `warning: …` on standard error.
pub(crate) fn warning(text: &str) {
    line("warning:", Style::new().yellow(), text);
}

/// Its commands carry the options that find the data again.
fn line(head: &str, colour: Style, text: &str) {
    let text = hints::with_options(text);
    note(&format!("{} {text}", colour.bold().for_stderr().apply_to(head)));
}

/// Whether progress may be drawn on standard error.
pub(crate) fn is_interactive() -> bool {
    Term::stderr().is_term()
}

/// Columns of the terminal that progress is drawn on; none when it is no terminal.
pub(crate) fn width() -> Option<usize> {
    let (_, columns) = Term::stderr().size_checked()?;
    is_interactive().then_some(usize::from(columns))
}

/// Mark and colour of a stage: never by colour alone.
pub(crate) fn stage_mark(status: StageStatus) -> (&'static str, Style) {
    match status {
        StageStatus::Running => ("…", Style::new().cyan()),
        StageStatus::Passed => ("✓", Style::new().green()),
        StageStatus::Failed => ("✗", Style::new().red()),
        StageStatus::Skipped => ("–", Style::new().dim()),
        StageStatus::Error => ("!", Style::new().red().bold()),
    }
}

/// Colour of a run's status.
pub(crate) fn run_style(status: RunStatus) -> Style {
    match status {
        RunStatus::Succeeded => Style::new().green().bold(),
        RunStatus::Queued | RunStatus::Running => Style::new().cyan().bold(),
        RunStatus::Held | RunStatus::Cancelled | RunStatus::Superseded => {
            Style::new().yellow().bold()
        }
        _ => Style::new().red().bold(),
    }
}

/// `850 ms`, `3.4 s`, `2 m 05 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} m {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// Text from a repository, made safe for a terminal: control characters are spaces, and those that
/// write from right to left what reads otherwise are shown.
pub(crate) fn plain(text: &str) -> String {
    pact_contract::cause::plain(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(7), "7 ms");
        assert_eq!(duration(3_450), "3.4 s");
        assert_eq!(duration(125_999), "2 m 05 s");
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb"), "a [31mb");
        assert_eq!(plain("a\u{202e}b\u{2066}"), "a\\u{202e}b\\u{2066}");
    }

    #[test]
    fn a_terminal_obeys_colours_and_nothing_else() {
        let text = "a\u{1b}[1;31mb\u{1b}[0m\u{1b}[2J\u{1b}]8;;x\u{7}\u{9b}2J\u{202e}c\td\n";
        assert_eq!(harmless(text, true), "a\u{1b}[1;31mb\u{1b}[0m [2J ]8;;x  2J\\u{202e}c\td\n");
        assert_eq!(harmless(text, false), "a [1;31mb [0m [2J ]8;;x  2J\\u{202e}c\td\n");
        for text in ["", "as it is\n", "größe → ✓"] {
            assert!(matches!(harmless(text, true), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(harmless("\u{1b}[5mx\u{1b}[8;31m", true), " [5mx [8;31m");
        for cut in ["\u{1b}", "\u{1b}[", "\u{1b}[1", "\u{1b}[1;"] {
            assert_eq!(harmless(cut, true), format!(" {}", &cut[1..]));
        }
    }

    #[test]
    fn a_document_says_the_same_and_nothing_in_it_is_obeyed() {
        let value = serde_json::json!({ "a\u{202e}": "b\u{9b}2J\u{7f}\u{2066}c\n" });
        let plain = serde_json::to_string_pretty(&value).expect("JSON");
        let text = escaped(&plain);
        assert!(text.chars().all(|c| !turns(c) && (c == '\n' || !c.is_control())), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }
}
