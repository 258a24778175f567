//! What a push may consist of.

use url::Url;

use pact_hosts::Sources;

/// Largest body of a request, in bytes. Lambda takes 6 MB with the body escaped as a JSON text,
/// which at most doubles a body of JSON: up to half of that every body arrives, less the headers.
pub(crate) const MAX_BODY: usize = 3_000_000;
/// Longest name of a branch.
pub(crate) const MAX_BRANCH: usize = 244;
/// Longest address of a repository.
pub(crate) const MAX_URL: usize = 2_048;
/// Longest name of a ref.
pub(crate) const MAX_REF: usize = 512;
/// Longest id of a commit: SHA-256.
pub(crate) const MAX_COMMIT: usize = 64;

/// A whole commit id in lower case.
pub(crate) fn commit(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.len() {
        40 if digits => Ok(text.to_ascii_lowercase()),
        MAX_COMMIT if digits => {
            Err("of a repository with SHA-256 ids, which cannot be read here: \
                                     only repositories with SHA-1 ids can"
                .to_owned())
        }
        _ => Err("not a commit id of 40 hexadecimal digits".to_owned()),
    }
}

/// Whether a commit id stands for "none".
pub(crate) fn is_zero(commit: &str) -> bool {
    commit.bytes().all(|b| b == b'0')
}

/// What a ref is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// A branch, by its short name.
    Branch(&'a str),
    /// Something else: what it is, with its article.
    Other(&'static str),
}

/// Reads the full name of a ref.
pub(crate) fn reference(text: &str) -> Result<Reference<'_>, String> {
    match text.strip_prefix("refs/heads/") {
        Some(name) => branch(name).map(|()| Reference::Branch(name)),
        None if text.starts_with("refs/tags/") => Ok(Reference::Other("a tag")),
        None if text.starts_with("refs/") => Ok(Reference::Other("anything but a branch")),
        None => Err("not the full name of a ref".to_owned()),
    }
}

/// The short name of a tag, from the full name of a ref.
pub(crate) fn tag(reference: &str) -> Option<Result<&str, String>> {
    let name = reference.strip_prefix("refs/tags/")?;
    // Git names both alike.
    Some(branch(name).map(|()| name).map_err(|why| why.replace("branch", "tag")))
}

/// A branch name as git accepts it.
pub(crate) fn branch(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_BRANCH {
        return Err(format!("a branch name has 1 to {MAX_BRANCH} bytes"));
    }
    let forbidden =
        |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let well_formed = !text.contains(forbidden)
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
        && !text.starts_with('-')
        && !text.ends_with('.')
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    if well_formed { Ok(()) } else { Err("not a branch name that git accepts".to_owned()) }
}

/// An address to fetch from, in its normal form: what is checked is what is used.
pub(crate) fn source(text: &str, allowed: &Sources) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("not an address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into the address".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address of a repository has no query and no fragment".to_owned());
    }
    allowed.check(&url)?;
    Ok(url.into())
}

/// Address of an API that a secret is sent to, without a `/` at its end.
pub(crate) fn api(text: &str, allowed: &Sources) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("not an address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into the address".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address of an API has no query and no fragment".to_owned());
    }
    if url.scheme() != "https" && (url.scheme() != "http" || allowed.check(&url).is_err()) {
        return Err("not an https:// address".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What a commit's message has where nothing is to run for it, as git hosts agree on.
const SKIPS: &[&str] = &[
    "[skip ci]",
    "[ci skip]",
    "[no ci]",
    "[skip actions]",
    "[actions skip]",
    "[skip pact]",
    "[pact skip]",
];

/// The trailer of a message that says the same; an empty line stands before the trailers.
const SKIP_TRAILER: &str = "skip-checks:";

/// Whether the message of a commit says that nothing is to run for it.
pub(crate) fn skips(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let trailers = message.rsplit_once("\n\n").map(|(_, last)| last).unwrap_or_default();
    let asks =
        |line: &str| line.strip_prefix(SKIP_TRAILER).is_some_and(|rest| rest.trim() == "true");
    SKIPS.iter().any(|marker| message.contains(marker)) || trailers.lines().any(asks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_asks_for_nothing_by_a_marker_or_a_trailer() {
        for asks in [
            "x [Actions Skip]",
            "[pact skip]",
            "x\n\nskip-checks: true",
            "x\n\nSigned-off-by: a\nskip-checks:true\n",
        ] {
            assert!(skips(asks), "{asks}");
        }
        for runs in [
            "skip ci",
            "skip-checks: true",
            "x\n\nskip-checks: false",
            "x\n\nno skip-checks: true",
            "x\n\nskip-checks: true\n\ny",
        ] {
            assert!(!skips(runs), "{runs}");
        }
    }

    #[test]
    fn branches_are_what_git_accepts() {
        for good in ["main", "feature/x-1", "a@b", "grün", "release/1.0"] {
            assert_eq!(branch(good), Ok(()), "{good}");
        }
        let long = "x".repeat(245);
        for bad in [
            "", "/", "a/", "/a", "a//b", ".a", "a/.b", "a.lock", "a.", "a..b", "a b", "a~1", "a^",
            "a:b", "a?", "a*", "a[", "a\\b", "a@{1}", "@", "-a", "a\u{7f}", "a\nb", &long,
        ] {
            assert!(branch(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sources_are_normalised_before_they_are_checked() {
        let allowed = Sources::parse("https://git.example.com/acme/,file:///srv/git/").unwrap();
        let check = |text: &str| source(text, &allowed);
        assert_eq!(
            check("https://GIT.example.com/acme/web.git").as_deref(),
            Ok("https://git.example.com/acme/web.git")
        );
        assert_eq!(check("file:///srv/git/my web").as_deref(), Ok("file:///srv/git/my%20web"));
        for bad in [
            "",
            "web",
            "https://git.example.com/acme/../other/web.git",
            "https://git.example.com@evil.example/acme/web.git",
            "https://user:password@git.example.com/acme/web.git",
            "https://git.example.com/acme/web.git?x=1",
            "https://git.example.com/acme/web.git#x",
            "file:///srv/git/%2e%2e/%2e%2e/etc",
            "ssh://git.example.com/acme/web.git",
            "ext::sh -c id",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn commits_are_whole() {
        let sha = "0123456789ABCDEF0123456789abcdef01234567";
        assert_eq!(commit(sha), Ok(sha.to_lowercase()));
        assert!(commit(&"a".repeat(64)).is_err_and(|why| why.contains("SHA-256")));
        for bad in ["", "abc", &"a".repeat(41), &"g".repeat(40)] {
            assert!(commit(bad).is_err(), "{bad:?}");
        }
        assert!(is_zero(&"0".repeat(40)) && !is_zero(sha));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            // Whatever the answer is, there is one.
            let answers = (
                commit(&text).is_ok(), branch(&text).is_ok(),
                source(&text, &Sources::default()).is_ok(),
            );
            prop_assert!(!answers.1 || !text.contains(".."));
        }
    }
}
