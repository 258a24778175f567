//! Where repositories may be fetched from, as an installation says it (`PACT_ALLOWED_SOURCES`).

use url::Url;

use crate::network::Reach;

/// What an entry begins with.
const SCHEMES: [&str; 3] = ["https", "http", "file"];
/// The entry that lets addresses lead into private networks, too.
const PRIVATE: &str = "private";

/// Addresses that repositories may be fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    prefixes: Vec<Prefix>,
    private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Prefix {
    /// Every address of a scheme.
    Scheme(&'static str),
    /// Every address at or below this one.
    Below(Url),
}

/// Every host by `https://`.
impl Default for Sources {
    fn default() -> Self {
        Self { prefixes: vec![Prefix::Scheme("https")], private: false }
    }
}

impl Sources {
    /// Reads a list such as `https://github.com/acme/,https://git.example.com`; the word `private` in
    /// it lets hosts lead into private networks.
    ///
    /// # Errors
    /// What follows the name of the setting in a sentence: which entry is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries: Vec<_> =
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        let (words, addresses): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| *entry == PRIVATE);
        let read = |text: &str| {
            prefix(text).ok_or_else(|| {
                let schemes = SCHEMES.map(|scheme| format!("{scheme}://")).join(", ");
                format!("has {text:?}; an entry begins with {schemes}, or is the word {PRIVATE}")
            })
        };
        let prefixes = addresses.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if prefixes.is_empty() {
            return Err("has no address".to_owned());
        }
        Ok(Self { prefixes, private: !words.is_empty() })
    }

    /// Whether a repository may be fetched from `url`. An entry that ends in the middle of a host or of
    /// a name allows no longer host and no longer name.
    #[must_use]
    pub fn permit(&self, url: &Url) -> bool {
        self.prefixes.iter().any(|prefix| prefix.covers(url))
    }

    /// Whether an entry that names the host allows `url`: only then is the installation's token sent there.
    #[must_use]
    pub fn name_host_of(&self, url: &Url) -> bool {
        self.prefixes.iter().any(|prefix| matches!(prefix, Prefix::Below(_)) && prefix.covers(url))
    }

    /// How far connections to a host may reach. What an entry names is known to whoever wrote it.
    #[must_use]
    pub fn reach(&self, host: &str) -> Reach {
        let names = |prefix: &Prefix| match prefix {
            Prefix::Below(url) => url.host_str().is_some_and(|known| known == host),
            Prefix::Scheme(_) => false,
        };
        match (self.prefixes.iter().any(names), self.private) {
            (true, _) => Reach::Anywhere,
            (false, true) => Reach::Private,
            (false, false) => Reach::Public,
        }
    }

    /// Whether `url` may be asked, as far as its own text tells: a host that is an address has to be in
    /// reach. Where a name leads is known when it is looked up, see [`crate::Guard`].
    ///
    /// # Errors
    /// Why not, as a sentence without an end.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        if !self.permit(url) {
            return Err("repositories are not fetched from there (PACT_ALLOWED_SOURCES)".to_owned());
        }
        let reach = url.host_str().map(|host| self.reach(host));
        reach.map_or(Ok(()), |reach| reach.check(url))
    }
}

fn prefix(text: &str) -> Option<Prefix> {
    for scheme in SCHEMES {
        let rest = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        match rest {
            Some("") => return Some(Prefix::Scheme(scheme)),
            Some("/") if scheme == "file" => return Some(Prefix::Scheme(scheme)),
            Some(_) => return Url::parse(text).ok().map(Prefix::Below),
            None => {}
        }
    }
    None
}

impl Prefix {
    fn covers(&self, url: &Url) -> bool {
        match self {
            Self::Scheme(scheme) => url.scheme() == *scheme,
            Self::Below(prefix) => url.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| {
                let ends = prefix.as_str().ends_with('/');
                ends || rest.is_empty() || rest.starts_with('/') || rest == ".git"
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    fn permits(list: &str, text: &str) -> bool {
        Sources::parse(list).expect("a list").permit(&url(text))
    }

    #[test]
    fn prefixes_end_at_boundaries_and_dots_do_not_lead_out() {
        assert!(permits("https://", "https://git.example/a/b"));
        assert!(!permits("https://", "http://git.example/a/b"));
        assert!(!permits("https://", "file:///etc"));
        assert!(permits("https://git.example/acme", "https://git.example/acme/web"));
        assert!(permits("https://git.example/acme/web", "https://git.example/acme/web.git"));
        assert!(!permits("https://git.example/acme", "https://git.example/acme-evil/web"));
        assert!(!permits("https://git.example", "https://git.example.evil.test/a"));
        assert!(!permits("https://git.example/acme/", "https://git.example/acme/../other/x"));
        assert!(!permits("https://git.example/acme/", "https://git.example/acme/%2e%2e/other"));
        assert!(permits("file:///", "file:///srv/git/a"));
        assert!(permits("https://,file:///srv/git/", "file:///srv/git/a"));
        assert!(!permits("https://,file:///srv/git/", "file:///srv/git/../../etc"));
        assert!(Sources::default().permit(&url("https://any.example/x")));
        assert!(!Sources::default().permit(&url("http://any.example/x")));
    }

    #[test]
    fn what_is_no_entry_is_named() {
        for (list, named) in
            [("ssh://host", "\"ssh://host\""), ("", "no address"), ("private", "no address")]
        {
            let fault = Sources::parse(list).expect_err("is refused");
            assert!(fault.contains(named), "{fault}");
        }
    }

    #[test]
    fn private_and_link_local_addresses_are_refused_unless_allowed() {
        let check = |list: &str, text: &str| {
            Sources::parse(list).expect("a list").check(&url(text)).map_err(drop)
        };
        let metadata = "http://169.254.169.254/latest/meta-data";
        for host in ["127.0.0.1:9001", "10.0.0.7", "[::1]", "[fd12::1]", "0x7f.1", "2130706433"] {
            let text = format!("http://{host}/a");
            assert_eq!(check("http://", &text), Err(()), "{text}");
            assert_eq!(check("http://,private", &text), Ok(()), "{text}");
        }
        for list in ["http://", "http://,private"] {
            assert_eq!(check(list, metadata), Err(()), "{list}");
            assert_eq!(check(list, "http://8.8.8.8/a"), Ok(()), "{list}");
        }
        // Whoever names it means it.
        assert_eq!(check("http://10.0.0.7/acme/", "http://10.0.0.7/acme/web"), Ok(()));
        assert_eq!(check("http://169.254.169.254/", metadata), Ok(()));
        assert_eq!(check("file:///", "file:///srv/git"), Ok(()));
    }
}
