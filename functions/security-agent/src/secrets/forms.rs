//! Files whose form says where the secrets are: they need neither a telling name nor a random
//! value.

use super::{
    decode, name, pairs,
    place::Style,
    value::{Strength, is_placeholder, is_template, strength},
};
use pact_contract::{FindingCode, codes};

/// A value in a place for secrets.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The code of what stands there; none: it is only looked into.
    pub(crate) code: Option<FindingCode>,
    pub(crate) title: &'static str,
    /// What is kept, where it is not the text itself.
    pub(crate) decoded: Option<String>,
}

impl Kept {
    fn new(text: &str, value: &str, code: FindingCode, title: &'static str) -> Option<Self> {
        let start = offset(text, value)?;
        Some(Self { start, end: start + value.len(), code: Some(code), title, decoded: None })
    }
}

/// Where a piece of `text` begins in it.
fn offset(text: &str, piece: &str) -> Option<usize> {
    let start = (piece.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (start + piece.len() <= text.len()).then_some(start)
}

/// Whether a password in a place for passwords is one.
fn is_password(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    value.len() >= 4
        && !is_template(value)
        && (!is_placeholder(value) || strength(value) > Strength::Nothing)
        && ![
            "password",
            "passwd",
            "pass",
            "secret",
            "none",
            "null",
            "admin",
            "root",
            "test",
            "anonymous",
            "true",
            "false",
        ]
        .contains(&lower.as_str())
}

/// What the file's own form says.
pub(crate) fn kept(path: &str, text: &str) -> Vec<Kept> {
    let file = path.rsplit(['/', '!']).next().unwrap_or(path).to_ascii_lowercase();
    let mut out = Vec::new();
    match file.as_str() {
        ".netrc" | "_netrc" | "netrc" => netrc(text, &mut out),
        ".pgpass" | "pgpass.conf" | "pgpass" => pgpass(text, &mut out),
        ".htpasswd" | "htpasswd" | ".htdigest" | "shadow" | "passwd" | "users.htpasswd" => {
            hashes(text, &mut out);
        }
        _ if file.ends_with(".htpasswd") => hashes(text, &mut out),
        _ => {}
    }
    if text.contains("Secret") {
        kubernetes(text, &mut out);
    }
    out
}

fn netrc(text: &str, out: &mut Vec<Kept>) {
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if ["password", "passwd"].contains(&word)
            && let Some(value) = words.next()
            && is_password(value)
        {
            out.extend(Kept::new(
                text,
                value,
                codes::SECRET_NETRC_PASSWORD,
                "password of a .netrc file",
            ));
        }
    }
}

fn pgpass(text: &str, out: &mut Vec<Kept>) {
    for line in text.lines().filter(|l| !l.trim_start().starts_with('#')) {
        // host:port:database:user:password, a backslash before a colon that belongs to a field.
        let mut colons = 0;
        let mut escaped = false;
        let at = line.char_indices().find(|(_, c)| {
            let is_colon = *c == ':' && !escaped;
            escaped = *c == '\\' && !escaped;
            colons += usize::from(is_colon);
            is_colon && colons == 4
        });
        if let Some((at, _)) = at
            && let Some(value) = line.get(at + 1..).map(str::trim)
            && is_password(value)
        {
            out.extend(Kept::new(
                text,
                value,
                codes::SECRET_PGPASS_PASSWORD,
                "password of a .pgpass file",
            ));
        }
    }
}

fn hashes(text: &str, out: &mut Vec<Kept>) {
    for line in text.lines() {
        let Some((user, rest)) = line.split_once(':') else { continue };
        let hash = rest.split(':').next().unwrap_or(rest).trim();
        let known = [
            "$apr1$", "$2y$", "$2a$", "$2b$", "$1$", "$5$", "$6$", "$y$", "$argon2", "{SHA}",
            "{SSHA}",
        ];
        let crypt = hash.len() == 13
            && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b));
        if !user.is_empty()
            && !user.contains(char::is_whitespace)
            && (known.iter().any(|k| hash.starts_with(k)) && hash.len() >= 20
                || crypt && strength(hash) == Strength::Random)
        {
            out.extend(Kept::new(text, hash, codes::SECRET_PASSWORD_HASH, "password hash"));
        }
    }
}

/// The values of Kubernetes Secrets, whatever the order of the keys.
fn kubernetes(text: &str, out: &mut Vec<Kept>) {
    for document in documents(text) {
        let is_secret = document.lines().any(|line| {
            let line = line.trim().trim_end_matches(',');
            let line: String = line.chars().filter(|c| !matches!(c, '"' | '\'' | ' ')).collect();
            line == "kind:Secret"
        }) || document.contains("\"kind\":\"Secret\"");
        if !is_secret {
            continue;
        }
        let mut inside: Option<(usize, bool)> = None;
        let mut lines = document.lines().peekable();
        while let Some(line) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim();
            let Some((key, value)) = trimmed.split_once(':') else { continue };
            let key = key.trim_matches(['"', '\'', ' ']);
            let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
            if ["data", "stringData"].contains(&key) && (value.is_empty() || value == "{") {
                inside = Some((indent, key == "data"));
                continue;
            }
            let Some((outer, encoded)) = inside else { continue };
            if indent <= outer {
                inside = None;
                continue;
            }
            let mut parts = vec![value];
            if value.is_empty() || value.starts_with(['|', '>']) {
                parts.clear();
                while let Some(next) = lines.peek() {
                    let deeper = next.len() - next.trim_start().len() > indent;
                    if !deeper && !next.trim().is_empty() {
                        break;
                    }
                    parts.push(next.trim());
                    lines.next();
                }
            }
            let Some(first) = parts.iter().find(|p| !p.is_empty()) else { continue };
            let whole: String = parts.concat();
            let decoded = if encoded {
                let Some(text) = decode::base64(&whole) else { continue };
                text
            } else {
                parts.join("\n")
            };
            let Some(start) = offset(text, first) else { continue };
            let plain = decoded.trim();
            let promise = name::promise(key);
            let counts = match strength(plain) {
                Strength::Random => true,
                Strength::Chosen => promise > name::Promise::Nothing,
                Strength::Nothing => {
                    promise == name::Promise::Password
                        && is_password(plain)
                        && !plain.contains(char::is_whitespace)
                }
            };
            let whole_title = "value of a Kubernetes Secret";
            // What it decodes to may be a known kind, a key or a file of its own: the scan of
            // the decoded text says so first.
            let code = counts.then_some(codes::SECRET_KUBERNETES_SECRET);
            let end = start + first.len();
            out.push(Kept { start, end, code, title: whole_title, decoded: Some(decoded) });
        }
    }
}

/// The documents of a YAML stream.
fn documents(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\n---") {
        let (document, next) = rest.split_at(at + 1);
        out.push(document);
        rest = next.get(3..).unwrap_or_default();
    }
    out.push(rest);
    out
}

/// The single words in YAML block scalars whose name promises a secret: where they begin and end.
pub(crate) fn block_scalars(text: &str, style: Style) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    if style != Style::Config {
        return out;
    }
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_end();
        let opens =
            [": |", ": >", ": |-", ": >-", ": |+", ": >+"].iter().any(|o| trimmed.ends_with(o));
        // A list of them, an item a line.
        let lists = trimmed.ends_with(':')
            && lines.peek().is_some_and(|next| next.trim_start().starts_with("- "));
        if !opens && !lists {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let key =
            trimmed.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
        let key = key.trim_matches(['"', '\'']);
        let telling = name::promise(key) > name::Promise::Nothing
            || name::promise(&format!("{key}_x")) > name::Promise::Nothing
            || ["key", "keys", "hex", "raw"].contains(&key.to_ascii_lowercase().as_str());
        while let Some(next) = lines.peek() {
            let word = next.trim();
            let item = word.strip_prefix("- ").filter(|_| lists);
            let deeper =
                next.len() - next.trim_start().len() + usize::from(item.is_some()) > indent;
            if !word.is_empty() && !deeper || lists && item.is_none() {
                break;
            }
            let word = item.unwrap_or(word).trim().trim_matches(['"', '\'']);
            if telling
                && !word.is_empty()
                && !word.contains(char::is_whitespace)
                && strength(word) == Strength::Random
                && let Some(start) = offset(text, word)
            {
                out.push((start, start + word.len()));
            }
            lines.next();
        }
    }
    out
}

/// The credential behind `Basic`, `auth` or `_auth`, decoded: `name:password`.
pub(crate) fn basic(value: &str) -> Option<String> {
    let decoded = decode::base64(value)?;
    let (user, password) = decoded.split_once(':')?;
    (!user.is_empty()
        && decoded.len() < 400
        && decoded.bytes().all(|b| (b' '..=b'~').contains(&b))
        && is_password(password)
        && !password.eq_ignore_ascii_case(user)
        && !super::value::is_published(value))
    .then(|| password.to_owned())
}

/// Passwords in a command line: `curl -u name:password`, `mysql -p…`, `sshpass -p …`.
pub(crate) fn command<'t>(text: &'t str, at: usize, tool: &str) -> Option<(&'t str, usize)> {
    let rest = text.get(at..)?;
    let line = rest.split('\n').next().unwrap_or(rest);
    let mut limit = line.len().min(2_048);
    while !line.is_char_boundary(limit) {
        limit -= 1;
    }
    let line = line.get(..limit)?;
    let named = tool.split(' ').count();
    let mut words = line.split([' ', '\t']).filter(|w| !w.is_empty()).skip(named).peekable();
    while let Some(word) = words.next() {
        if ["|", "&&", ";", "||"].contains(&word) {
            return None;
        }
        let value = match tool {
            "curl" | "wget" => {
                let joined = word
                    .strip_prefix("--user=")
                    .or_else(|| word.strip_prefix("-u").filter(|r| !r.is_empty()))
                    .or_else(|| word.strip_prefix("--proxy-user="));
                let next = ["-u", "--user", "--proxy-user", "-U"].contains(&word);
                let pair = joined.or_else(|| if next { words.peek().copied() } else { None });
                pair.and_then(|p| p.trim_matches(['"', '\'', '\\']).split_once(':')).map(|(_, p)| p)
            }
            "sshpass" => word
                .strip_prefix("-p")
                .and_then(|r| if r.is_empty() { words.peek().copied() } else { Some(r) }),
            "convertto-securestring" => Some(word).filter(|word| word.starts_with(['"', '\''])),
            // A user and a password, with a comma or a word between them.
            "lftp" => (word == "-u")
                .then(|| words.peek().and_then(|next| next.split_once(',')).map(|(_, p)| p))
                .flatten(),
            "net use" => word.starts_with("/user:").then(|| words.peek().copied()).flatten(),
            "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapdelete" => match word.strip_prefix("-w")
            {
                Some("") => words.peek().copied(),
                joined => joined,
            },
            "redis-cli" => {
                (["-a", "--pass"].contains(&word)).then(|| words.peek().copied()).flatten()
            }
            // By the statement, and not by the user whom it names.
            "identified by" => word.starts_with(['"', '\'']).then_some(word),
            "docker" | "podman" | "helm" | "az" => {
                (["-p", "--password"].contains(&word)).then(|| words.peek().copied()).flatten()
            }
            _ => word.strip_prefix("-p").filter(|r| r.len() >= 4 && !r.starts_with(['-', '='])),
        };
        let Some(value) = value else { continue };
        let value = value.trim_matches(['"', '\'', '\\', '`', ')', ';']);
        if value.is_empty() || is_template(value) || value.starts_with('$') {
            continue;
        }
        let start = offset(text, value)?;
        return (strength(value) > Strength::Nothing).then_some((value, start));
    }
    None
}

/// The password among the arguments of a call that begins at `at`: its constant argument `index`.
pub(crate) fn argument(text: &str, at: usize, index: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes().get(at..)?;
    let (mut open, mut quote, mut number, mut start) = (0usize, None, 0, 0);
    for (nth, byte) in bytes.iter().take(MAX_CALL).enumerate() {
        match (quote, byte) {
            (Some(q), b) if *b == q => quote = None,
            (Some(_), b'\n') => return None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'(' | b'[' | b'{') => open += 1,
            (None, b',' | b')' | b']' | b'}') if open == 0 => {
                if number == index {
                    let whole = text.get(at + start..at + nth)?.trim();
                    let mark = whole.chars().next().filter(|c| matches!(c, '"' | '\''))?;
                    let value = whole.strip_prefix(mark)?.strip_suffix(mark)?;
                    return (!value.contains(mark)).then_some((value, offset(text, value)?));
                }
                if *byte != b',' {
                    return None;
                }
                (number, start) = (number + 1, nth + 1);
            }
            (None, b')' | b']' | b'}') => open -= 1,
            _ => {}
        }
    }
    None
}

/// Longest call whose arguments are looked at, in bytes.
const MAX_CALL: usize = 400;

/// The password of `name:password@tcp(host)/…`, whose `@tcp(` is at `at`.
pub(crate) fn data_source(text: &str, at: usize) -> Option<(&str, usize)> {
    let mut from = at.saturating_sub(200);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = text.get(from..at)?;
    let login = before.rsplit(['"', '\'', '`', ' ', '\n', '=']).next()?;
    let (user, password) = login.split_once(':')?;
    (!user.is_empty() && is_password(password) && !password.eq_ignore_ascii_case(user))
        .then_some((password, offset(text, password)?))
}

/// The password of `jdbc:oracle:thin:name/password@host`, which goes on at `at`.
pub(crate) fn oracle(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..)?;
    let end = rest.find(['@', '"', '\'', ' ', '\n']).filter(|end| *end < 200)?;
    let login = rest.get(..end).filter(|_| rest.get(end..).is_some_and(|r| r.starts_with('@')))?;
    let (user, password) = login.rsplit(':').next()?.split_once('/')?;
    (!user.is_empty() && is_password(password) && !password.eq_ignore_ascii_case(user))
        .then_some((password, offset(text, password)?))
}

/// Whether the pair's name stands for a login in base64.
pub(crate) fn is_basic(pair: &pairs::Pair<'_>) -> bool {
    let lower = pair.name.trim_start_matches(['-', '_', '.']).to_ascii_lowercase();
    let last = lower.rsplit(['.', ':']).next().unwrap_or(&lower);
    ["auth", "authorization", "basic", "basicauth", "basic_auth", "proxy-authorization"]
        .contains(&last)
}
