//! Where git hosts show commits: of those whose addresses are known, as a link that leads nowhere is
//! worse than none.

use crate::format::{link, path};

/// Where a commit is shown, and what changed since another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    pub(crate) commit: Option<String>,
    pub(crate) comparison: Option<String>,
}

/// The links of a commit of the repository at `url`, pushed on top of `base`.
pub(crate) fn links(url: &str, commit: &str, base: Option<&str>) -> Links {
    // Before the first push of a branch there are only zeros.
    let is_something = |id: &&str| {
        id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0')
    };
    let Some(place) = link(url).and_then(|url| url.strip_prefix("https://")) else {
        return Links::default();
    };
    let Some((host, rest)) = place.split_once('/') else { return Links::default() };
    let name = rest.trim_end_matches('/');
    let name = path(name.strip_suffix(".git").unwrap_or(name));
    let Some(commit) = Some(commit).filter(is_something) else { return Links::default() };
    let base = base.filter(is_something);
    // <https://docs.github.com/en/pull-requests/committing-changes-to-your-project/viewing-and-comparing-commits/comparing-commits>
    let (show, compare) = match host.to_ascii_lowercase().as_str() {
        "github.com" => ("commit", base.map(|base| format!("compare/{base}...{commit}"))),
        "gitlab.com" => ("-/commit", base.map(|base| format!("-/compare/{base}...{commit}"))),
        // What is newer stands first, with a carriage return between them.
        "bitbucket.org" => {
            ("commits", base.map(|base| format!("branches/compare/{commit}%0D{base}")))
        }
        "codeberg.org" => ("commit", base.map(|base| format!("compare/{base}...{commit}"))),
        _ => return Links::default(),
    };
    let at = |what: String| format!("https://{}/{name}/{what}", host.to_ascii_lowercase());
    Links { commit: Some(at(format!("{show}/{commit}"))), comparison: compare.map(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hosts_have_links_and_others_none() {
        let (old, new) = ("1".repeat(40), "2".repeat(40));
        let of = |url: &str, base| links(url, &new, base);
        for url in ["https://github.com/acme/shop.git", "https://GitHub.com/acme/shop/"] {
            let found = of(url, Some(old.as_str()));
            assert_eq!(found.commit, Some(format!("https://github.com/acme/shop/commit/{new}")));
            assert_eq!(
                found.comparison,
                Some(format!("https://github.com/acme/shop/compare/{old}...{new}"))
            );
        }
        let found = of("https://gitlab.com/a/b/c", None);
        assert_eq!(found.commit, Some(format!("https://gitlab.com/a/b/c/-/commit/{new}")));
        assert_eq!(found.comparison, None);
        // A new branch has only zeros for what was before.
        let none = "0".repeat(40);
        assert_eq!(links("https://github.com/a/b", &new, Some(&none)).comparison, None);
        for elsewhere in [
            "http://github.com/a/b",
            "file:///github.com/a/b",
            "https://github.com.evil.example/a/b",
            "https://ada@github.com/a/b",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(of(elsewhere, None), Links::default(), "{elsewhere}");
        }
        let odd = of("https://github.com/a/\"><b>", None).commit.expect("a link");
        assert!(!odd.contains(['"', '<', '>']), "{odd}");
        assert_eq!(links("https://github.com/a/b", "HEAD/../..", None), Links::default());
    }
}
