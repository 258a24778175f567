//! What a build has built for the targets: taken in as hostile input, and kept by its digest.

use pact_agent::{AgentError, text::truncated};

use super::{plan::line, results::Part};
use crate::runners::{
    release::{self, BYTES, Kept},
    runner::{Built, Release, Task},
};

/// What came of one release, and its log. `told`: whether what is said of it counts.
///
/// # Errors
/// Those of the store.
pub(super) async fn of(
    task: &Task<'_>,
    of: &Release,
    handed: Part,
    told: bool,
    key: &str,
) -> Result<(Built, String), AgentError> {
    let Part { steps, setup, test, .. } = handed;
    let mut log = String::new();
    let mut last = String::new();
    for (command, captured) in of.commands.iter().zip(setup.into_iter().chain(test)) {
        last = captured.text;
        log.push_str(&format!("$ {}\n{last}\n", line(command)));
    }
    if let Some(program) = &steps.missing {
        return Ok((Built::Not(format!("`{program}` is not installed")), log));
    }
    let codes: Vec<i32> = steps.setup.iter().chain(&steps.test).map(|step| step.code).collect();
    let ill = codes.iter().position(|code| *code != 0);
    if let (Some(at), true) = (ill, told) {
        let command = of.commands.get(at).map(|command| line(command)).unwrap_or_default();
        let code = codes.get(at).copied().unwrap_or_default();
        let command = truncated(&command, 300);
        let message = format!("build command `{command}` ended with exit code {code}");
        let remedy = format!("run `{command}` in a checkout of the commit, and mend what it says");
        return Ok((release::failed(message, &remedy, &last), log));
    }
    if !told || steps.test.is_none() {
        return Ok((failed("the build did not come to its end".to_owned(), &last), log));
    }
    Ok((keep(task, of, key, &last).await?, log))
}

fn failed(message: String, output: &str) -> Built {
    release::failed(message, "run the target's build commands in a checkout of the commit", output)
}

/// Keeps what was handed over where nobody else can write: by its digest.
async fn keep(task: &Task<'_>, of: &Release, key: &str, output: &str) -> Result<Built, AgentError> {
    let refused = |reason: String| Ok(failed(reason, output));
    let Some(bytes) = task.artifacts.size(key).await? else {
        return refused("the build handed over nothing that it built".to_owned());
    };
    if bytes > BYTES {
        let most = BYTES >> 20;
        return refused(format!("what was built has {} MiB, at most {most}", bytes >> 20));
    }
    let Some(content) = task.artifacts.get(key).await? else {
        return refused("the build handed over nothing that it built".to_owned());
    };
    Ok(match release::keep(task, of, content).await? {
        Kept::Is(kept) => Built::Well(kept),
        Kept::Not(why) => failed(why, output),
    })
}
