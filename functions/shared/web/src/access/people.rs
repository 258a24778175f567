//! By which rules people are let in whom an OpenID Connect provider knows: set by the installation.
//!
//! | variable | |
//! |---|---|
//! | `PACT_SIGN_IN_ISSUER` | the provider: its issuer, as its own documents write it |
//! | `PACT_SIGN_IN_CLIENT` | what the installation is called there |
//! | `PACT_SIGN_IN_ALLOW` | who may do what: entries `WHO=SCOPE+SCOPE`, with commas between them |
//! | `PACT_SIGN_IN_GROUPS` | the claim with somebody's groups; `groups` without it |
//!
//! WHO is `@example.org` (whose address there the provider has verified), `ada@example.org` (that
//! verified address), `group:NAME`, or `sub:SUBJECT`. Several that apply add up. Whom none is about
//! is not let in; without an issuer nobody is.

use std::fmt;

use pact_contract::access::{Scope, Scopes};
use url::{Host, Url};

use super::secret::digest;

/// Most entries.
const MAX_GRANTS: usize = 200;
/// Longest name of somebody that is recorded.
const MAX_NAME: usize = 200;

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    issuer: String,
    client: String,
    groups: String,
    grants: Vec<Grant>,
}

/// Somebody whom the provider knows, as far as it vouches for what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// What the provider calls them, for ever.
    pub subject: String,
    /// Their address, where the provider says that it has verified it.
    pub email: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    who: Who,
    scopes: Scopes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Domain(String),
    Email(String),
    Group(String),
    Subject(String),
}

/// Everything that is wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct FaultsOfPeople(pub Vec<String>);

impl People {
    /// The rules that these variables set; none where no provider is named.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, FaultsOfPeople> {
        let value = |name: &str| lookup(name).map(|text| text.trim().to_owned());
        let value = |name: &str| value(name).filter(|text| !text.is_empty());
        let [issuer, client, allow] =
            ["PACT_SIGN_IN_ISSUER", "PACT_SIGN_IN_CLIENT", "PACT_SIGN_IN_ALLOW"].map(value);
        let groups = value("PACT_SIGN_IN_GROUPS").unwrap_or_else(|| "groups".to_owned());
        if issuer.is_none() && client.is_none() && allow.is_none() {
            return Ok(None);
        }
        let mut faults = Vec::new();
        let mut needed = |name: &str, value: Option<String>| {
            value.unwrap_or_else(|| {
                faults.push(format!("{name} is missing, where others of PACT_SIGN_IN_ are set"));
                String::new()
            })
        };
        let issuer = needed("PACT_SIGN_IN_ISSUER", issuer);
        let client = needed("PACT_SIGN_IN_CLIENT", client);
        let allow = needed("PACT_SIGN_IN_ALLOW", allow);
        if !issuer.is_empty()
            && let Err(fault) = check_issuer(&issuer)
        {
            faults.push(format!("PACT_SIGN_IN_ISSUER is {issuer:?}, {fault}"));
        }
        let mut grants = Vec::new();
        for entry in allow.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match Grant::parse(entry) {
                Ok(grant) => grants.push(grant),
                Err(fault) => faults.push(format!("PACT_SIGN_IN_ALLOW has {entry:?}, {fault}")),
            }
        }
        if grants.len() > MAX_GRANTS {
            faults.push(format!("PACT_SIGN_IN_ALLOW has more than {MAX_GRANTS} entries"));
        }
        if faults.is_empty() {
            Ok(Some(Self { issuer, client, groups, grants }))
        } else {
            Err(FaultsOfPeople(faults))
        }
    }

    /// The rules of this process's environment.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub fn from_env() -> Result<Option<Self>, FaultsOfPeople> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// The provider's issuer, as it writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the installation is called at the provider.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The claim with somebody's groups; none where no group is granted anything.
    #[must_use]
    pub fn groups_claim(&self) -> Option<&str> {
        let any = self.grants.iter().any(|grant| matches!(grant.who, Who::Group(_)));
        any.then_some(&*self.groups)
    }

    /// The provider's name for people: its host.
    #[must_use]
    pub fn provider(&self) -> String {
        let host = Url::parse(&self.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| self.issuer.clone())
    }

    /// What somebody may do.
    #[must_use]
    pub fn scopes(&self, person: &Person) -> Scopes {
        let theirs = self.grants.iter().filter(|grant| grant.who.is(person));
        Scope::ALL
            .into_iter()
            .filter(|scope| theirs.clone().any(|grant| grant.scopes.has(*scope)))
            .collect()
    }

    /// Tells these rules from any other ones.
    #[must_use]
    pub fn mark(&self) -> String {
        digest(&format!("people {self:?}"))
    }
}

/// Whether an address can be an issuer's: what it says is believed, so that nobody else may say it.
fn check_issuer(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "not an address")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("an issuer has no query, no fragment and no credentials");
    }
    if is_safe(&url) { Ok(()) } else { Err("not an https:// address") }
}

/// Whether nobody on the way reads or changes what is sent there.
#[must_use]
pub fn is_safe(url: &Url) -> bool {
    let own = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && own)
}

impl Person {
    /// The name under which is recorded what they do.
    #[must_use]
    pub fn name(&self) -> String {
        self.email.clone().unwrap_or_else(|| format!("sub:{}", self.subject))
    }

    /// An address that somebody can be known by, in lower case; none of a text that is not plainly
    /// one.
    #[must_use]
    pub fn address(text: &str) -> Option<String> {
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
            !part.is_empty() && part.chars().all(allowed)
        };
        let (local, domain) = text.split_once('@')?;
        let whole = text.len() <= MAX_NAME && plain(local) && is_domain(domain);
        whole.then(|| text.to_ascii_lowercase())
    }
}

fn is_domain(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.chars().all(allowed) && text.split('.').all(|part| !part.is_empty())
}

impl Grant {
    fn parse(entry: &str) -> Result<Self, String> {
        const FORM: &str = "which is no WHO=SCOPE+SCOPE";
        let (who, scopes) = entry.rsplit_once('=').ok_or(FORM)?;
        let scopes: Scopes = scopes
            .split('+')
            .map(|name| name.trim().parse::<Scope>().map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let who = who.trim();
        let of = |prefix: &str| who.strip_prefix(prefix).filter(|name| !name.is_empty());
        let who = if let Some(name) = of("group:") {
            Who::Group(name.to_owned())
        } else if let Some(subject) = of("sub:") {
            Who::Subject(subject.to_owned())
        } else if let Some(domain) = of("@").filter(|domain| is_domain(domain)) {
            Who::Domain(domain.to_ascii_lowercase())
        } else if let Some(address) = Person::address(who) {
            Who::Email(address)
        } else {
            return Err("where WHO is no @domain, no address, no group:NAME, no sub:SUBJECT".into());
        };
        Ok(Self { who, scopes })
    }
}

impl Who {
    fn is(&self, person: &Person) -> bool {
        let domain = || Some(person.email.as_deref()?.rsplit_once('@')?.1);
        match self {
            Self::Domain(name) => domain() == Some(name),
            Self::Email(address) => person.email.as_ref() == Some(address),
            Self::Group(name) => person.groups.contains(name),
            Self::Subject(subject) => person.subject == *subject,
        }
    }
}

impl fmt::Display for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.issuer, self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(issuer: &str, client: &str, allow: &str) -> Result<Option<People>, FaultsOfPeople> {
        People::read(|name| {
            let value = match name {
                "PACT_SIGN_IN_ISSUER" => issuer,
                "PACT_SIGN_IN_CLIENT" => client,
                "PACT_SIGN_IN_ALLOW" => allow,
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    fn people(allow: &str) -> People {
        read("https://id.example.org", "pact", allow).unwrap().unwrap()
    }

    fn person(email: Option<&str>, groups: &[&str]) -> Person {
        Person {
            subject: "7".to_owned(),
            email: email.map(str::to_owned),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    #[test]
    fn everybody_gets_what_is_granted_to_them_and_nobody_else_anything() {
        let people = people(
            "@Example.org=read, ada@example.org=approve+read, group:Platform Team=trigger+operate,\
             sub:7x=operate",
        );
        let may = |email, groups: &[&str]| people.scopes(&person(email, groups)).to_string();
        assert_eq!(may(Some("bob@example.org"), &[]), "read");
        assert_eq!(may(Some("ada@example.org"), &[]), "read, approve");
        assert_eq!(may(None, &["Platform Team"]), "trigger, operate");
        assert_eq!(
            may(Some("ada@example.org"), &["Platform Team"]),
            "read, trigger, approve, operate"
        );
        for nobody in [
            Some("ada@example.org.evil.example"),
            Some("ada@sub.example.org"),
            Some("ada@evil.example"),
            Some("example.org"),
            None,
        ] {
            assert_eq!(may(nobody, &["platform team", "Platform"]), "", "{nobody:?}");
        }
        assert_eq!(people.groups_claim(), Some("groups"));
        assert_eq!(people.provider(), "id.example.org");
    }

    #[test]
    fn rules_that_differ_have_another_mark() {
        let (one, other) = (people("@example.org=read"), people("@example.org=read+approve"));
        assert_ne!(one.mark(), other.mark());
        assert_eq!(one.mark(), people("@example.org=read").mark());
        assert_eq!(one.groups_claim(), None);
    }

    #[test]
    fn nothing_set_is_no_door_and_half_of_it_is_a_fault() {
        assert_eq!(read("", " ", ""), Ok(None));
        let faults = read("https://id.example.org", "", "").unwrap_err().to_string();
        assert!(faults.contains("PACT_SIGN_IN_CLIENT is missing"), "{faults}");
        assert!(faults.contains("PACT_SIGN_IN_ALLOW is missing"), "{faults}");
        for (issuer, sound) in [
            ("https://id.example.org/realms/a", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/oidc", true),
            ("http://id.example.org", false),
            ("https://id.example.org?x=1", false),
            ("https://ada@id.example.org", false),
            ("id.example.org", false),
        ] {
            assert_eq!(read(issuer, "pact", "@a.example=read").is_ok(), sound, "{issuer}");
        }
        for allow in [
            "read",
            "@a.example",
            "@a.example=write",
            "ada=read",
            "@=read",
            "group:=read",
            "a b@c.example=read",
            "@a..b=read",
            "@a.example=",
        ] {
            assert!(read("https://id.example.org", "pact", allow).is_err(), "{allow}");
        }
    }

    #[test]
    fn an_address_is_plain_or_none() {
        assert_eq!(Person::address("Ada.L+x@Example.ORG").as_deref(), Some("ada.l+x@example.org"));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "a@b@c",
            "a b@c",
            "\"a\"@c",
            "a@c d",
            "ada@exämple.org",
            "a@b\n",
        ] {
            assert_eq!(Person::address(text), None, "{text:?}");
        }
        assert_eq!(person(None, &[]).name(), "sub:7");
    }
}
