//! The process that evaluates: one request after another, until there are no more.

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};

use super::wire::{self, BEGUN, Request, Response};
use crate::jsonata::{CancelToken, Expression, Fault, TIME_LIMIT_MS, evaluate};

/// How much data the process may have, in bytes: what is needed to start, and for values.
const MEMORY: u64 = 512 * 1024 * 1024;
/// After how long the process ends itself, should nobody else do so: its parent may be gone.
const WATCHDOG: Duration = Duration::from_millis(2 * TIME_LIMIT_MS);
/// What it exits with then.
pub(super) const OVERDUE: u8 = 70;
/// How many expressions are kept parsed.
const PARSED: usize = 256;

/// The `main` of a program that evaluates expressions for an engine; see [`EvaluatorProgram`].
///
/// It reads requests from standard input and answers on standard output, until the input ends. Its
/// memory is limited, and an evaluation that takes too long ends it.
///
/// [`EvaluatorProgram`]: crate::EvaluatorProgram
#[must_use]
pub fn evaluator_main() -> ExitCode {
    // What goes wrong in here is told by how the process ends.
    std::panic::set_hook(Box::new(|_| {}));
    // A process that cannot be limited evaluates nothing.
    let limited = setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY)
        .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
    match limited.map_err(io::Error::from).and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let watchdog = Watchdog::start()?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut parsed: HashMap<String, Expression> = HashMap::new();
    while let Some(bytes) = wire::read(&mut input)? {
        let request: Request = serde_json::from_slice(&bytes)?;
        drop(bytes);
        wire::write(&mut output, &[BEGUN])?;
        watchdog.wind();
        let response = answer(&mut parsed, request);
        wire::write(&mut output, &wire::frame(&response)?)?;
        watchdog.unwind();
    }
    Ok(())
}

fn answer(parsed: &mut HashMap<String, Expression>, request: Request) -> Response {
    if parsed.len() >= PARSED {
        parsed.clear();
    }
    if !parsed.contains_key(&request.source) {
        let expression = Expression::parse(&request.source).map_err(Fault::Broken)?;
        parsed.insert(request.source.clone(), expression);
    }
    let expression = parsed
        .get(&request.source)
        .ok_or_else(|| Fault::Broken("an expression was lost".to_owned()))?;
    let bindings = request.bindings();
    evaluate(expression, &bindings.borrowed(), &CancelToken::new())
}

/// Ends the process when it is not unwound in time.
struct Watchdog {
    began: Instant,
    /// When it is due, in milliseconds since it began; 0 for never.
    due: &'static AtomicU64,
}

impl Watchdog {
    fn start() -> io::Result<Self> {
        static DUE: AtomicU64 = AtomicU64::new(0);
        let watchdog = Self { began: Instant::now(), due: &DUE };
        let began = watchdog.began;
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let due = DUE.load(Ordering::Relaxed);
                if due > 0 && began.elapsed() > Duration::from_millis(due) {
                    std::process::exit(i32::from(OVERDUE));
                }
            }
        })?;
        Ok(watchdog)
    }

    fn wind(&self) {
        let due = self.began.elapsed() + WATCHDOG;
        let due = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
        self.due.store(due, Ordering::Relaxed);
    }

    fn unwind(&self) {
        self.due.store(0, Ordering::Relaxed);
    }
}
