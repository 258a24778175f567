//! Names and passwords in addresses.

use pact_contract::{FindingCode, Severity, codes};

use super::{
    place::Place,
    value::{Strength, is_mixed, is_placeholder, is_template, strength},
};

/// Longest authority of an address.
const MAX_AUTHORITY: usize = 512;

/// A password in an address.
#[derive(Debug)]
pub(crate) struct Login<'t> {
    pub(crate) password: &'t str,
    /// Where the password begins.
    pub(crate) start: usize,
    pub(crate) code: FindingCode,
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
}

/// Schemes that people give names and passwords to; of any other the host has to be a real one.
const DATABASES: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mysqlx",
    "mariadb",
    "mongodb",
    "mongodb+srv",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "mssql",
    "sqlserver",
    "clickhouse",
    "cockroachdb",
    "snowflake",
    "oracle",
    "nats",
    "mqtt",
    "mqtts",
    "cassandra",
    "couchdb",
    "neo4j",
    "bolt",
    "kafka",
    "influx",
    "memcached",
    "elasticsearch",
    "ldap",
    "ldaps",
    "rabbitmq",
    "db2",
    "firebird",
    "h2",
    "vertica",
    "redshift",
    "trino",
    "presto",
    "hive",
    "mongo",
];
const OTHERS: &[&str] = &[
    "http",
    "https",
    "ftp",
    "ftps",
    "sftp",
    "ssh",
    "smtp",
    "smtps",
    "imap",
    "imaps",
    "pop3",
    "svn",
    "git",
    "git+https",
    "git+ssh",
    "socks5",
    "socks5h",
    "socks4",
    "rtsp",
    "ws",
    "wss",
    "xmpp",
    "sip",
    "smb",
    "cifs",
    "webdav",
    "dav",
    "davs",
    "proxy",
    "vnc",
    "rdp",
    "telnet",
    "tcp",
    "udp",
    "docker",
];

/// The password of the address whose `://` is at `at`.
pub(crate) fn login(text: &str, at: usize, place: Place) -> Option<Login<'_>> {
    let bytes = text.as_bytes();
    let mut from = at;
    while from > 0
        && at - from < 24
        && bytes
            .get(from - 1)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        from -= 1;
    }
    let scheme = text.get(from..at)?.to_ascii_lowercase();
    let scheme = scheme.rsplit(':').next().unwrap_or(&scheme);
    let main = scheme.split('+').next().unwrap_or(scheme);
    let database = DATABASES.contains(&scheme) || DATABASES.contains(&main);
    if !database && !OTHERS.contains(&scheme) {
        return None;
    }
    let start = at + 3;
    let rest = bytes.get(start..)?;
    let window = rest.get(..MAX_AUTHORITY.min(rest.len()))?;
    let end = window
        .iter()
        .position(|b| b.is_ascii_whitespace() || b"\"'`<>\\^|,;".contains(b))
        .unwrap_or(window.len());
    let authority = text.get(start..start + end)?;
    // The last `@` before the path; a password may hold one, and a slash where it is sloppy.
    let until = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let sign = match authority.get(..until)?.rfind('@') {
        Some(sign) => sign,
        None => authority.rfind('@').filter(|_| database)?,
    };
    let (user_info, host) = (authority.get(..sign)?, authority.get(sign + 1..)?);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host).to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or(&host);
    let Some((user, password)) = user_info.split_once(':') else {
        // A token in place of a name.
        let token = user_info;
        return (!database
            && token.len() >= 20
            && is_mixed(token, 20)
            && is_real(host)
            && !is_placeholder(token))
        .then_some(Login {
            password: token,
            start,
            code: codes::SECRET_URL_TOKEN,
            title: "address with a token",
            severity: Severity::High,
        });
    };
    // The user may be a fixed word and the password a name: `git:git`.
    if password.len() < 3
        || is_template(password)
        || is_template(user)
        || is_template(host)
        || host.is_empty()
        || password.eq_ignore_ascii_case(user)
        || is_placeholder(password)
        || is_common(password)
        || ["user", "username", "usr", "myuser", "name"]
            .contains(&user.to_ascii_lowercase().as_str())
            && strength(password) < Strength::Chosen
    {
        return None;
    }
    let strong = strength(password);
    let severity = match (database, is_real(host)) {
        (_, false) if strong < Strength::Random || is_here(host) && place.is_test => return None,
        (true, true) if strong == Strength::Nothing && (password.len() < 8 || place.is_test) => {
            return None;
        }
        (true, true) if strong == Strength::Nothing => Severity::Medium,
        (false, true) if strong == Strength::Nothing => return None,
        (false, true) if strong == Strength::Chosen && password.len() < 10 => Severity::Medium,
        _ => Severity::High,
    };
    let (code, title) = if database {
        (codes::SECRET_DATABASE_URL, "database address with a password")
    } else {
        (codes::SECRET_URL_PASSWORD, "address with a password")
    };
    Some(Login { password, start: start + user.len() + 1, code, title, severity })
}

fn is_common(password: &str) -> bool {
    let lower = password.to_ascii_lowercase();
    [
        "pass",
        "pwd",
        "pw",
        "pass1",
        "root",
        "admin",
        "guest",
        "postgres",
        "mysql",
        "redis",
        "foo",
        "bar",
        "baz",
        "abc",
        "git",
        "x-oauth-basic",
        "mongo",
        "rabbitmq",
        "minio",
        "minioadmin",
        "sa",
        "s3cret",
        "s3cr3t",
        "p4ssword",
        "p4ssw0rd",
        "port",
        "pwd123",
        "hunter2",
    ]
    .contains(&lower.as_str())
}

/// Whether a host is this machine or one of its containers.
fn is_here(host: &str) -> bool {
    ["localhost", "127.", "0.0.0.0", "[", "host.docker"].iter().any(|l| host.starts_with(l))
}

/// Whether a host can be met outside one machine and a manual.
fn is_real(host: &str) -> bool {
    let private = ["10.", "192.168.", "172.16.", "172.17.", "169.254."];
    let reserved = [".example", ".test", ".invalid", ".localhost", ".local"];
    let manual = [
        "example.com",
        "example.net",
        "example.org",
        "host.com",
        "hostname.com",
        "domain.com",
        "foo.com",
        "server.com",
        "bar.com",
        "domain.tld",
        "site.com",
        "yourdomain.com",
        "company.com",
        "mydomain.com",
        "test.com",
        "proxy.com",
        "myserver.com",
        "domain.org",
    ];
    host.contains('.')
        && !is_here(host)
        && !private.iter().any(|p| host.starts_with(p))
        && !reserved.iter().any(|r| host.ends_with(r))
        && !manual.iter().any(|e| host == *e || host.ends_with(&format!(".{e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, FindingCode, Severity)> {
        let at = text.find("://").expect("an address");
        login(text, at, Place::of("app.conf")).map(|l| {
            assert!(text.get(l.start..).is_some_and(|t| t.starts_with(l.password)));
            (l.password.to_owned(), l.code, l.severity)
        })
    }

    #[test]
    fn passwords_of_addresses() {
        let random = ["q7Zt4", "LmX9v", "R2pK"].concat();
        for (text, code) in [
            (format!("postgres://app:{random}@db.acme.io:5432/shop"), "secret-database-url"),
            (
                format!("postgresql+psycopg2://app:{random}@example-db.acme.io/shop"),
                "secret-database-url",
            ),
            (format!("jdbc:mysql://app:{random}@db/shop"), "secret-database-url"),
            (format!("redis://:{random}@cache.acme.io"), "secret-database-url"),
            (format!("mongodb+srv://a:{random}@c0.x1.mongodb.net/?x=1"), "secret-database-url"),
            (format!("https://bob:{random}@git.acme.io/x.git"), "secret-url-password"),
            (format!("amqp://a:{random}@queue"), "secret-database-url"),
        ] {
            let (password, found, severity) = found(&text).expect("a password");
            assert_eq!((password.as_str(), found.as_str()), (random.as_str(), code), "{text}");
            assert_eq!(severity, Severity::High, "{text}");
        }
        for text in [
            "postgres://user:password123@db.acme.io/shop",
            "postgres://postgres:postgres@localhost/x",
            "https://user:pass@example.com/",
            "https://<user>:<pw>@git.acme.io",
            "https://${USER}:${PASS}@git.acme.io",
            "https://git.acme.io/a:b@c",
            "xmlns://a:b@c",
            "redis://localhost:6379",
        ] {
            assert!(found(text).is_none(), "{text} {:?}", found(text));
        }
    }
}
