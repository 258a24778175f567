//! Colours and marks. `NO_COLOR`, `CLICOLOR` and a missing terminal are honoured.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use console::{Style, Term, style};
use pact_contract::{RunStatus, StageStatus};
use tracing_subscriber::EnvFilter;

/// Sets up colours and, with `--verbose`, the stack's own log on standard error.
pub(crate) fn init(verbose: u8) {
    if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        console::set_colors_enabled(false);
        console::set_colors_enabled_stderr(false);
    }
    let level = match verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(console::colors_enabled_stderr())
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}

/// Whether something that was to be on standard output is not there.
static LOST: AtomicBool = AtomicBool::new(false);

/// Text on standard output. A reader that has seen enough (`| head`) is no reason to fail; a full disk
/// is, see [`lost`].
pub(crate) fn print(text: &str) {
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

/// A line on standard error. A closed pipe is no reason to fail.
pub(crate) fn note(text: &str) {
    if writeln!(std::io::stderr(), "{text}").is_err() {
        tracing::debug!("standard error is closed");
    }
}

/// `error: …` on standard error.
pub(crate) fn error(text: &str) {
    note(&format!("{} {text}", style("error:").for_stderr().red().bold()));
}

/// `  help: …` on standard error.
pub(crate) fn hint(text: &str) {
    note(&format!("{} {text}", style("help:").for_stderr().cyan().bold()));
}

/// `warning: …` on standard error.
pub(crate) fn warning(text: &str) {
    note(&format!("{} {text}", style("warning:").for_stderr().yellow().bold()));
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
}
