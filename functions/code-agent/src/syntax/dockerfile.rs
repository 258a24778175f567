//! Dockerfiles by a strict parser.

use std::sync::LazyLock;

use regex::Regex;

use super::verdict::{Cause, Doubt, Fault, Opinion, number};

/// Parses a Dockerfile.
pub(super) fn parse(text: &str) -> Opinion {
    let Err(error) = parse_dockerfile::parse(text) else { return Opinion::Parsed };
    // A document for a command in the middle of its line: `RUN cat <<EOF > a && b`.
    if let Some(plain) = without_documents(text)
        && parse_dockerfile::parse(&plain).is_ok()
    {
        return Opinion::Parsed;
    }
    let fault = Fault {
        line: number(error.line().max(1)),
        column: number(error.column().max(1)),
        message: "is no instruction of a Dockerfile".to_owned(),
    };
    if other_frontend(text) {
        let reason = "it names a syntax of its own in its first lines";
        return Opinion::Unsure(Doubt::new(Cause::Dialect, reason), vec![fault]);
    }
    let has_from = || text.lines().any(|line| line.trim_start().get(..4).is_some_and(is_from));
    let has_slip = || {
        let mut words = text.lines().filter_map(|line| line.split_whitespace().next());
        words.any(|word| matches!(word, "FORM" | "FRMO" | "RFOM" | "FOM" | "FRM" | "FRO" | "ROM"))
    };
    if !has_from() && !has_slip() {
        let reason = "it has no FROM: a part of another Dockerfile";
        return Opinion::Unsure(Doubt::new(Cause::Dialect, reason), vec![fault]);
    }
    Opinion::Broken(vec![fault])
}

/// The text without documents in commands; none where there is none.
fn without_documents(text: &str) -> Option<String> {
    static MARK: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"<<(-?)["']?(\w+)["']?"#).ok());
    let (mut out, mut ends) = (String::new(), Vec::new());
    let mut removed = false;
    for line in text.split_inclusive('\n') {
        if let Some((word, tabs)) = ends.first() {
            let end = if *tabs { line.trim_start_matches('\t') } else { line };
            let is_end = end.trim_end() == *word;
            out.push('\n');
            removed = true;
            if is_end {
                ends.remove(0);
            }
            continue;
        }
        let is_comment = line.trim_start().starts_with('#');
        if let Some(mark) = MARK.as_ref().filter(|_| !is_comment) {
            ends = mark
                .captures_iter(line)
                .filter_map(|found| Some((found.get(2)?.as_str(), !found.get(1)?.is_empty())))
                .collect();
            out.push_str(&mark.replace_all(line, ""));
        } else {
            out.push_str(line);
        }
    }
    (removed && ends.is_empty()).then_some(out)
}

fn is_from(word: &str) -> bool {
    word.eq_ignore_ascii_case("from")
}

/// Whether `# syntax=…` names another builder than Docker's own.
fn other_frontend(text: &str) -> bool {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    directives.filter_map(|d| d.trim().split_once('=')).any(|(key, value)| {
        key.trim().eq_ignore_ascii_case("syntax") && !value.trim().starts_with("docker/dockerfile")
    })
}
