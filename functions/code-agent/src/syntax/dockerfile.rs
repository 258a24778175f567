//! Dockerfiles by a strict parser.

use super::verdict::{Cause, Doubt, Fault, Opinion, number};

/// Parses a Dockerfile.
pub(super) fn parse(text: &str) -> Opinion {
    let Err(error) = parse_dockerfile::parse(text) else { return Opinion::Parsed };
    let fault = Fault {
        line: number(error.line().max(1)),
        column: number(error.column().max(1)),
        message: "is no instruction of a Dockerfile".to_owned(),
    };
    if other_frontend(text) {
        let reason = "it names a syntax of its own in its first lines";
        return Opinion::Unsure(Doubt::new(Cause::Dialect, reason), vec![fault]);
    }
    if !text.lines().any(|line| line.trim_start().get(..4).is_some_and(is_from)) {
        let reason = "it has no FROM: a part of another Dockerfile";
        return Opinion::Unsure(Doubt::new(Cause::Dialect, reason), vec![fault]);
    }
    Opinion::Broken(vec![fault])
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
