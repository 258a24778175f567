//! Which invocations a run had, and how long each took, by the logs of the functions.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

/// One invocation of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Invocation {
    /// The function, by its name in the template.
    pub function: String,
    /// How long it took.
    pub milliseconds: f64,
    /// Its memory.
    pub memory_mb: f64,
    /// What it logged.
    pub log_bytes: usize,
}

/// The invocations of a run: those with a line that names it. Folders without logs have none.
pub(crate) fn invocations(folder: &Path, run: &str) -> Vec<Invocation> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "log")) {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        // A log that has grown too long is continued in a new file.
        let older = std::fs::read(file.with_extension("log.1")).unwrap_or_default();
        let newer = std::fs::read(file).unwrap_or_default();
        let text = [older, newer].concat();
        found.extend(in_log(&name.unwrap_or_default(), &String::from_utf8_lossy(&text), run));
    }
    found
}

fn in_log(function: &str, text: &str, run: &str) -> Vec<Invocation> {
    let mut requests = BTreeSet::new();
    let line_of = |line: &str| -> Option<(String, bool)> {
        let value: Value = serde_json::from_str(line).ok()?;
        let request = value.get("request_id")?.as_str()?.to_owned();
        Some((request, value.get("run_id").and_then(Value::as_str) == Some(run)))
    };
    let mut logged = std::collections::BTreeMap::<String, usize>::new();
    for line in text.lines() {
        let Some((request, ours)) = line_of(line) else { continue };
        *logged.entry(request.clone()).or_default() += line.len() + 1;
        if ours {
            requests.insert(request);
        }
    }
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("REPORT ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        let Some(request) = after("RequestId:").filter(|id| requests.contains(*id)) else {
            continue;
        };
        let number = |name| after(name).and_then(|n: &str| n.parse().ok());
        if let (Some(milliseconds), Some(memory_mb)) = (number("Duration:"), number("Size:")) {
            let log_bytes = logged.get(request).copied().unwrap_or_default();
            let function = function.to_owned();
            found.push(Invocation { function, milliseconds, memory_mb, log_bytes });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_is_of_the_run_that_a_line_names() {
        let text = "{\"request_id\":\"a\",\"run_id\":\"shop-1\"}\nnot JSON\n\
            END RequestId: a\nREPORT RequestId: a Duration: 12.50 ms Memory Size: 512 MB\n\
            {\"request_id\":\"b\",\"run_id\":\"shop-2\"}\n\
            REPORT RequestId: b Duration: 9.00 ms Memory Size: 512 MB\n";
        let found = in_log("F", text, "shop-1");
        assert_eq!(
            found,
            [Invocation {
                function: "F".to_owned(),
                milliseconds: 12.5,
                memory_mb: 512.0,
                log_bytes: 37,
            }]
        );
    }
}
