//! The secrets engine: kinds with a form of their own, names with values, files whose form says
//! where secrets are, keys, addresses, and all of that within text that is encoded.
//!
//! The work for every place that is looked at is bounded, and so is their sum: no text can stall
//! it. Expressions are matched by an engine that takes linear time.

mod check;
mod decode;
mod forms;
mod keys;
mod name;
mod pairs;
mod place;
pub(crate) mod rules;
mod score;
mod url;
mod value;

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use pact_contract::{Finding, FindingCode, Severity, codes};
use sha2::{Digest, Sha256};

use crate::scope::{open, text};
use place::{Place, Style};
use rules::Kind;

pub use score::{Corpus, Label, Score, score};

/// Most findings of one file.
const MAX_FOUND: usize = 10_000;
/// Deepest nesting of encodings.
const MAX_DEPTH: usize = 3;
/// How often a text may be gone over by all expressions together, and what is granted at least.
const WORK_PER_BYTE: u64 = 60;
const LEAST_WORK: u64 = 4 * 1024 * 1024;
/// The comment that allows a secret on its own line; a reason follows.
pub(crate) const ALLOW: &str = "pact:allow-secret";
/// What to do about a secret.
pub(crate) const REMEDY: &str = "revoke or rotate it where it was issued, remove it from the history, and \
    read it from the environment or a secret store; if it is no secret, say so at the end of its \
    own line with a comment \"pact:allow-secret REASON\"";

/// Whether `path` is that of a test or an example.
pub(crate) fn is_test(path: &str) -> bool {
    Place::of(path).is_test
}

/// The kinds, ready to be looked for.
pub struct Engine {
    kinds: Vec<Kind>,
    /// What the kinds certainly hold, as it is written.
    prefixes: AhoCorasick,
    prefix_owners: Vec<Vec<usize>>,
    /// Words in either case: triggers of names, and words near which a kind may stand.
    words: AhoCorasick,
    word_owners: Vec<Word>,
}

/// What a word is for.
enum Word {
    /// A name may promise a secret.
    Trigger,
    /// These kinds may stand behind it.
    Near(Vec<usize>),
    /// A command that takes passwords.
    Command(&'static str),
    /// `://`.
    Address,
    /// `PRIVATE KEY`.
    Pem,
    /// `PuTTY-User-Key-File-`.
    Putty,
    /// `"kty"`.
    Jwk,
    /// `Basic ` and `Bearer `.
    Header(bool),
    /// `eyJ`.
    Jwt,
}

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Code of the finding.
    pub code: FindingCode,
    /// What it is, for people.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The first characters and the length.
    pub evidence: String,
    /// The same for the same secret of the same kind, wherever it stands.
    pub fingerprint: [u8; 16],
}

/// What was seen in one file.
#[derive(Debug, Default)]
pub struct Scan {
    /// Secrets by place: the path with the entries of archives, and what is there.
    pub found: Vec<(String, Found)>,
    /// Secrets that a comment on their line allows, with the reason.
    pub allowed: Vec<(String, u32, String)>,
    /// What should have been read and was not.
    pub not_read: Vec<(String, String)>,
    /// Bytes that were gone over, those of archives and encodings included.
    pub bytes: u64,
}

/// A secret in a text while it is looked for.
#[derive(Clone, Debug)]
struct Hit {
    code: FindingCode,
    title: String,
    severity: Severity,
    start: usize,
    end: usize,
    secret: String,
    /// The most telling kind comes first.
    rank: u8,
    is_key: bool,
}

/// A text that is looked at.
struct Text<'t> {
    text: &'t str,
    place: Place,
    depth: usize,
}

/// What may still be spent.
struct Work {
    left: u64,
    exhausted: bool,
}

impl Work {
    fn spend(&mut self, amount: usize) -> bool {
        match self.left.checked_sub(amount as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.exhausted = true;
                false
            }
        }
    }
}

impl Engine {
    /// The engine with the built-in kinds.
    ///
    /// # Errors
    /// What is wrong with the kinds.
    pub fn new() -> Result<Self, String> {
        let kinds = rules::built_in()?;
        let mut prefixes: Vec<String> = Vec::new();
        let mut prefix_owners: Vec<Vec<usize>> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut word_owners: Vec<Word> = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            for key in &kind.keys {
                if let Some(at) = prefixes.iter().position(|p| p == key)
                    && let Some(owners) = prefix_owners.get_mut(at)
                {
                    owners.push(index);
                } else {
                    prefixes.push(key.clone());
                    prefix_owners.push(vec![index]);
                }
            }
            for near in &kind.near {
                let at = words.iter().position(|w| w == near);
                match at.and_then(|at| word_owners.get_mut(at)) {
                    Some(Word::Near(owners)) => owners.push(index),
                    _ => {
                        words.push(near.clone());
                        word_owners.push(Word::Near(vec![index]));
                    }
                }
            }
        }
        for trigger in name::TRIGGERS {
            words.push((*trigger).to_owned());
            word_owners.push(Word::Trigger);
        }
        for command in [
            "curl ",
            "wget ",
            "sshpass ",
            "mysql ",
            "mysqldump ",
            "mysqladmin ",
            "mariadb ",
            "docker ",
            "podman ",
            "helm ",
        ] {
            words.push(command.to_owned());
            word_owners.push(Word::Command(command.trim_end()));
        }
        for (word, owner) in [
            ("://", Word::Address),
            ("private key", Word::Pem),
            ("putty-user-key-file-", Word::Putty),
            ("\"kty", Word::Jwk),
            ("basic ", Word::Header(true)),
            ("bearer ", Word::Header(false)),
            ("eyj", Word::Jwt),
        ] {
            words.push(word.to_owned());
            word_owners.push(owner);
        }
        let build = |patterns: &[String], any_case: bool| {
            AhoCorasick::builder()
                .ascii_case_insensitive(any_case)
                .kind(Some(AhoCorasickKind::DFA))
                .build(patterns)
                .map_err(|e| format!("keywords: {e}"))
        };
        Ok(Self {
            prefixes: build(&prefixes, false)?,
            words: build(&words, true)?,
            kinds,
            prefix_owners,
            word_owners,
        })
    }

    /// Looks at a whole file, and at what is in it where it is an archive.
    pub fn scan(&self, path: &str, content: &[u8]) -> Scan {
        let mut scan = Scan::default();
        let mut failed = Vec::new();
        open::each(
            path,
            content,
            &mut |path, content| self.scan_entry(path, content, &mut scan),
            &mut |path, why| failed.push((path.to_owned(), why)),
        );
        scan.not_read.extend(failed);
        scan
    }

    fn scan_entry(&self, path: &str, content: &[u8], scan: &mut Scan) {
        scan.bytes = scan.bytes.saturating_add(content.len() as u64);
        let place = Place::of(path);
        if let Some(title) = keys::store(content) {
            let severity = if place.is_test { Severity::Low } else { Severity::High };
            let digest = Sha256::digest(content);
            let mut fingerprint = [0; 16];
            fingerprint.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
            scan.found.push((
                path.to_owned(),
                Found {
                    code: codes::SECRET_KEY_STORE,
                    title: title.to_owned(),
                    severity,
                    line: 1,
                    column: 1,
                    evidence: format!("{} bytes", content.len()),
                    fingerprint,
                },
            ));
        }
        let decoded = text::decode(content);
        self.scan_text(path, &decoded.text, place, 0, scan);
        if let Some(also) = &decoded.also {
            let before: BTreeSet<[u8; 16]> =
                scan.found.iter().map(|(_, f)| f.fingerprint).collect();
            let mut second = Scan::default();
            self.scan_text(path, also, place, 0, &mut second);
            scan.found
                .extend(second.found.into_iter().filter(|(_, f)| !before.contains(&f.fingerprint)));
            scan.not_read.extend(second.not_read);
        }
    }

    /// Looks at a text whose first line is the line `first` (from 0) of its file.
    pub(crate) fn scan_text(
        &self,
        path: &str,
        text: &str,
        place: Place,
        first: u32,
        scan: &mut Scan,
    ) {
        let mut work =
            Work { left: LEAST_WORK + text.len() as u64 * WORK_PER_BYTE, exhausted: false };
        let mut hits = Vec::new();
        let seen = Text { text, place, depth: 0 };
        self.look(&seen, &mut work, &mut hits);
        for kept in forms::kept(path, text) {
            self.look_into(&seen, kept, &mut work, &mut hits);
        }
        if work.exhausted {
            scan.not_read.push((
                path.to_owned(),
                "it is made to take long: too much of it looks like the beginning of a secret"
                    .to_owned(),
            ));
        }
        let hits = without_overlaps(hits);
        // Rust keeps the tests of a module below it, in the same file.
        let tests = path.ends_with(".rs").then(|| text.find("#[cfg(test)]")).flatten();
        let mut lines = Lines { text, at: 0, line: first, start: 0 };
        for hit in hits {
            if scan.found.len() >= MAX_FOUND {
                scan.not_read
                    .push((path.to_owned(), format!("stopped after {MAX_FOUND} findings")));
                break;
            }
            let (line, column, line_text) = lines.place(hit.start);
            if let Some(reason) = allowed(line_text) {
                scan.allowed.push((path.to_owned(), line, reason));
                continue;
            }
            let mut hit = hit;
            let documented = ["///", "//!"].iter().any(|d| line_text.trim_start().starts_with(d));
            let in_test = tests.is_some_and(|at| hit.start > at) || documented;
            if in_test && (hit.is_key || hit.rank > 1) {
                hit.severity = hit.severity.min(Severity::Low);
            }
            scan.found.push((path.to_owned(), hit.found(line, column)));
        }
    }

    /// Collects the hits of a text.
    fn look(&self, seen: &Text<'_>, work: &mut Work, hits: &mut Vec<Hit>) {
        let text = seen.text;
        if text.is_empty() || !work.spend(text.len()) {
            return;
        }
        let mut tried: Vec<usize> = vec![0; self.kinds.len()];
        for found in self.prefixes.find_overlapping_iter(text) {
            let owners = self.prefix_owners.get(found.pattern().as_usize());
            for index in owners.into_iter().flatten() {
                let Some(kind) = self.kinds.get(*index) else { continue };
                let Some(hit) = self.known(seen, kind, found.start(), found.end(), work) else {
                    continue;
                };
                // One secret may hold its key twice.
                let last = tried.get_mut(*index);
                if last.is_some_and(|last| std::mem::replace(last, hit.end) > hit.start) {
                    continue;
                }
                hits.push(hit);
            }
        }
        self.words(seen, work, hits);
        for (start, end) in forms::block_scalars(text, seen.place.style) {
            let secret = text.get(start..end).unwrap_or_default();
            hits.push(self.general(
                seen,
                start,
                secret,
                codes::SECRET_ASSIGNMENT,
                "hard-coded credential",
            ));
        }
        if seen.depth < MAX_DEPTH {
            self.encoded(seen, work, hits);
        }
    }

    fn words(&self, seen: &Text<'_>, work: &mut Work, hits: &mut Vec<Hit>) {
        let text = seen.text;
        // Names are looked at once, however many words they hold.
        let mut name_end = 0;
        let mut command_end = 0;
        let mut address_end = 0;
        let mut jwt_end = 0;
        for found in self.words.find_overlapping_iter(text) {
            let (start, end) = (found.start(), found.end());
            match self.word_owners.get(found.pattern().as_usize()) {
                Some(Word::Trigger) => {
                    if start < name_end || seen.place.is_lock_file {
                        continue;
                    }
                    let (from, to) = pairs::name_around(text, start, end);
                    if from < name_end {
                        continue;
                    }
                    name_end = to;
                    if !work.spend(to - from) {
                        return;
                    }
                    self.pair(seen, from, to, work, hits);
                }
                Some(Word::Near(owners)) => {
                    if !work.spend(64) {
                        return;
                    }
                    if seen.place.is_lock_file {
                        continue;
                    }
                    let Some((at, quoted)) = value_near(text, end) else { continue };
                    for index in owners {
                        let Some(kind) = self.kinds.get(*index) else { continue };
                        if !work.spend(kind.longest) {
                            return;
                        }
                        if let Some(hit) = self.near(seen, kind, start, at, quoted) {
                            hits.push(hit);
                        }
                    }
                }
                Some(Word::Command(tool)) => {
                    if start < command_end || !stands_alone_before(text, start) || !work.spend(512)
                    {
                        continue;
                    }
                    command_end = end;
                    if let Some((value, at)) = forms::command(text, start, tool) {
                        hits.push(self.general(
                            seen,
                            at,
                            value,
                            codes::SECRET_COMMAND_PASSWORD,
                            "password in a command line",
                        ));
                    }
                }
                Some(Word::Address) => {
                    if start < address_end {
                        continue;
                    }
                    if !work.spend(256) {
                        return;
                    }
                    if let Some(login) = url::login(text, start, seen.place) {
                        address_end = login.start + login.password.len();
                        let severity = if seen.place.is_test {
                            login.severity.min(Severity::Medium)
                        } else {
                            login.severity
                        };
                        hits.push(Hit {
                            code: login.code,
                            title: login.title.to_owned(),
                            severity,
                            start: login.start,
                            end: address_end,
                            secret: login.password.to_owned(),
                            rank: 2,
                            is_key: false,
                        });
                    }
                }
                Some(Word::Pem) => {
                    let upper = text.get(start..end) == Some("PRIVATE KEY");
                    let key = upper.then(|| keys::pem(text, start)).flatten();
                    if !work.spend(128 + key.map_or(0, |k| 4 * (k.end - k.start))) {
                        return;
                    }
                    hits.extend(key.map(|k| self.key(seen, k)));
                }
                Some(Word::Putty) => {
                    if !work.spend(16_384) {
                        return;
                    }
                    hits.extend(keys::putty(text, start).map(|k| self.key(seen, k)));
                }
                Some(Word::Jwk) => {
                    if !work.spend(12_288) {
                        return;
                    }
                    hits.extend(keys::jwk(text, start).map(|k| self.key(seen, k)));
                }
                Some(Word::Header(basic)) => {
                    if !work.spend(128) {
                        return;
                    }
                    self.header(seen, end, *basic, hits);
                }
                Some(Word::Jwt) => {
                    if start < jwt_end
                        || text.get(start..end) != Some("eyJ")
                        || !stands_alone_before(text, start)
                    {
                        continue;
                    }
                    let length = token_length(text, start, 6_000);
                    jwt_end = start + length;
                    if !work.spend(length) {
                        return;
                    }
                    let token = text.get(start..start + length).unwrap_or_default();
                    if let Some((severity, note)) = check::jwt(token, seen.place) {
                        hits.push(Hit {
                            code: codes::SECRET_JWT,
                            title: format!("JSON web token{note}"),
                            severity,
                            start,
                            end: start + length,
                            secret: token.to_owned(),
                            rank: 2,
                            is_key: false,
                        });
                    }
                }
                None => {}
            }
        }
    }

    /// The secret of a known form that holds its key at `start..end`.
    fn known(
        &self,
        seen: &Text<'_>,
        kind: &Kind,
        start: usize,
        end: usize,
        work: &mut Work,
    ) -> Option<Hit> {
        let text = seen.text;
        let starts: Vec<usize> = if kind.is_prefix {
            vec![start]
        } else {
            // The key stands within: the secret begins somewhere before it.
            let back = token_start(text, start, kind.longest);
            if !work.spend(4 * (start - back)) {
                return None;
            }
            (back..=start)
                .filter(|at| text.is_char_boundary(*at) && stands_alone_before(text, *at))
                .take(64)
                .collect()
        };
        for at in starts {
            if !stands_alone_before(text, at) || !work.spend(64) {
                continue;
            }
            let window = window(text, at, kind.longest + 1);
            let Some(found) = kind.regex.find(window) else { continue };
            if !work.spend(found.end()) {
                return None;
            }
            if at + found.end() < end || !stands_alone_after(text, at + found.end()) {
                continue;
            }
            let (severity, note) = check::known(kind, found.as_str(), seen, at)?;
            return Some(Hit {
                code: kind.code.clone(),
                title: format!("{}{note}", kind.title),
                severity,
                start: at,
                end: at + found.end(),
                secret: found.as_str().to_owned(),
                rank: 0,
                is_key: false,
            });
        }
        None
    }

    /// The secret of a form that says little, behind a word that says the rest.
    fn near(
        &self,
        seen: &Text<'_>,
        kind: &Kind,
        word: usize,
        at: usize,
        quoted: bool,
    ) -> Option<Hit> {
        let text = seen.text;
        let window = window(text, at, kind.longest + 1);
        let found = kind.regex.find(window)?;
        if !stands_alone_after(text, at + found.end())
            || quoted
                && !matches!(
                    text.as_bytes().get(at + found.end()),
                    Some(b'"' | b'\'' | b'`' | b'\\' | b'&')
                )
        {
            return None;
        }
        let (from, to) = pairs::name_around(text, word, word + 1);
        let name = text.get(from..to.max(from)).unwrap_or_default();
        let severity = check::near(kind, name, found.as_str(), seen)?;
        Some(Hit {
            code: kind.code.clone(),
            title: kind.title.clone(),
            severity,
            start: at,
            end: at + found.end(),
            secret: found.as_str().to_owned(),
            rank: 1,
            is_key: false,
        })
    }

    fn pair(&self, seen: &Text<'_>, from: usize, to: usize, work: &mut Work, hits: &mut Vec<Hit>) {
        let Some(name) = seen.text.get(from..to) else { return };
        let Some(pair) = pairs::after(seen.text, from, to, seen.place.style) else { return };
        if !work.spend(pair.value.len()) {
            return;
        }
        if forms::is_basic(&pair) {
            let value = pair.value.strip_prefix("Basic ").unwrap_or(pair.value);
            if let Some(password) = forms::basic(value) {
                let mut hit = self.general(
                    seen,
                    pair.start,
                    pair.value,
                    codes::SECRET_BASIC_AUTH,
                    "name and password in base64",
                );
                hit.secret = password;
                hit.rank = 2;
                hits.push(hit);
                return;
            }
        }
        let Some((severity, title)) = check::pair(name, &pair, seen) else { return };
        let mut hit = self.general(seen, pair.start, pair.value, codes::SECRET_ASSIGNMENT, title);
        hit.severity = severity;
        hits.push(hit);
    }

    fn header(&self, seen: &Text<'_>, at: usize, basic: bool, hits: &mut Vec<Hit>) {
        let length = token_length(seen.text, at, 1_024);
        let Some(token) = seen.text.get(at..at + length) else { return };
        if basic {
            if let Some(password) = forms::basic(token) {
                let mut hit = self.general(
                    seen,
                    at,
                    token,
                    codes::SECRET_BASIC_AUTH,
                    "name and password in base64",
                );
                hit.secret = password;
                hit.rank = 2;
                hits.push(hit);
            }
        } else if token.len() >= 16 && value::strength(token) == value::Strength::Random {
            hits.push(self.general(seen, at, token, codes::SECRET_BEARER_TOKEN, "bearer token"));
        }
    }

    fn general(
        &self,
        seen: &Text<'_>,
        start: usize,
        secret: &str,
        code: FindingCode,
        title: &str,
    ) -> Hit {
        Hit {
            code,
            title: title.to_owned(),
            severity: if seen.place.is_test { Severity::Low } else { Severity::High },
            start,
            end: start + secret.len(),
            secret: secret.to_owned(),
            rank: 3,
            is_key: false,
        }
    }

    fn key(&self, seen: &Text<'_>, key: keys::Key) -> Hit {
        let severity = match (seen.place.is_test, key.encrypted) {
            (true, _) => Severity::Low,
            (false, true) => Severity::Medium,
            (false, false) => Severity::High,
        };
        let note = if key.encrypted { " (encrypted)" } else { "" };
        Hit {
            code: codes::SECRET_PRIVATE_KEY,
            title: format!("{}{note}", key.title),
            severity,
            start: key.start,
            end: key.end,
            secret: seen.text.get(key.start..key.end).unwrap_or_default().to_owned(),
            rank: 0,
            is_key: true,
        }
    }

    /// What is encoded in the text.
    fn encoded(&self, seen: &Text<'_>, work: &mut Work, hits: &mut Vec<Hit>) {
        if seen.place.is_lock_file {
            return;
        }
        for (start, end, coding) in decode::runs(seen.text) {
            let Some(run) = seen.text.get(start..end) else { continue };
            if !work.spend(run.len()) {
                return;
            }
            let (decoded, how) = match coding {
                decode::Coding::Base64 => (decode::base64(run), "base64"),
                decode::Coding::Hexadecimal => (decode::hexadecimal(run), "hexadecimal digits"),
                decode::Coding::Percent => (decode::percent(run), "percent encoding"),
            };
            if let Some(decoded) = decoded {
                self.nested(seen, (start, end), &decoded, how, work, hits);
            }
        }
    }

    fn nested(
        &self,
        seen: &Text<'_>,
        range: (usize, usize),
        decoded: &str,
        how: &str,
        work: &mut Work,
        hits: &mut Vec<Hit>,
    ) {
        let mut inner = Vec::new();
        let place = Place { style: Style::Config, ..seen.place };
        self.look(&Text { text: decoded, place, depth: seen.depth + 1 }, work, &mut inner);
        for (order, mut hit) in without_overlaps(inner).into_iter().enumerate() {
            // Several secrets in one run: each has its own place in it.
            let width = range.1 - range.0;
            hit.start = range.0 + order.min(width.saturating_sub(1));
            hit.end = if order == 0 { range.1 } else { hit.start };
            hit.title = format!("{} in {how}", hit.title);
            hits.push(hit);
        }
    }

    /// A value in a place for secrets: what it decodes to says more, where it says anything.
    fn look_into(&self, seen: &Text<'_>, kept: forms::Kept, work: &mut Work, hits: &mut Vec<Hit>) {
        let range = (kept.start, kept.end);
        let before = hits.len();
        if let Some(decoded) = &kept.decoded {
            self.nested(seen, range, decoded, "a Kubernetes Secret", work, hits);
        }
        if hits.len() == before
            && let Some(code) = kept.code
        {
            let text = seen.text.get(kept.start..kept.end).unwrap_or_default();
            let mut hit = self.general(seen, kept.start, text, code, kept.title);
            hit.rank = 2;
            hits.push(hit);
        }
    }
}

impl Hit {
    fn found(self, line: u32, column: u32) -> Found {
        let mut hash = Sha256::new();
        hash.update(self.code.as_str().as_bytes());
        hash.update([0]);
        // The same key with other white space is the same key.
        hash.update(self.secret.split_whitespace().collect::<String>().as_bytes());
        let digest = hash.finalize();
        let mut fingerprint = [0; 16];
        fingerprint.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        let evidence = if self.is_key {
            let first = self.secret.lines().next().unwrap_or_default();
            first
                .chars()
                .take(60)
                .take_while(|c| c.is_ascii_uppercase() || "- ".contains(*c))
                .collect()
        } else {
            redacted(&self.secret)
        };
        Found {
            code: self.code,
            title: self.title,
            severity: self.severity,
            line,
            column,
            evidence,
            fingerprint,
        }
    }
}

impl Found {
    /// A name of the secret at `path` that says nothing without the `salt`.
    #[must_use]
    pub fn entry(&self, salt: &str, path: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt.as_bytes());
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(self.fingerprint);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The finding of a secret at `path`.
    #[must_use]
    pub fn finding(&self, path: &str) -> Finding {
        Finding::new(self.code.clone(), self.severity, &self.title)
            .at(path, Some(self.line), Some(self.column))
            .remedy(REMEDY)
            .evidence(&self.evidence)
    }
}

/// Hits without those that a more telling one covers, by place.
fn without_overlaps(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|h| (h.rank, h.start));
    let mut kept: std::collections::BTreeMap<usize, Hit> = std::collections::BTreeMap::new();
    for hit in hits {
        let covered = kept
            .range(..=hit.start)
            .next_back()
            .is_some_and(|(_, k)| k.end > hit.start || k.start == hit.start)
            || kept.range(hit.start..).next().is_some_and(|(_, k)| k.start < hit.end);
        if !covered {
            kept.insert(hit.start, hit);
        }
    }
    kept.into_values().collect()
}

/// The reason of the comment that allows the secrets of a line.
fn allowed(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(ALLOW)?;
    if !rest.starts_with(|c: char| c.is_whitespace() || c == ':' || c == ',') {
        return None;
    }
    let reason = rest.trim_matches(|c: char| c.is_whitespace() || ":,-*/#>\"'".contains(c));
    (reason.chars().filter(|c| c.is_alphanumeric()).count() >= 3)
        .then(|| reason.chars().take(200).collect())
}

/// The value behind a word: where it begins, and whether it is in quotes.
fn value_near(text: &str, end: usize) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut at = end;
    while at - end < 48
        && bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        at += 1;
    }
    let mut signs = 0;
    let mut quoted = false;
    let from = at;
    while at - from < 24 {
        match bytes.get(at)? {
            b'=' | b':' | b'>' | b'(' | b',' => {
                signs += 1;
                quoted = false;
            }
            b'"' | b'\'' | b'`' => quoted = !quoted || signs > 0,
            b' ' | b'\t' | b'\\' | b'[' | b']' => {}
            _ => break,
        }
        at += 1;
    }
    (signs > 0 && signs <= 4).then_some((at, quoted))
}

/// Whether what stands before a secret does not belong to it.
fn stands_alone_before(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let back = |n: usize| at.checked_sub(n).and_then(|i| bytes.get(i)).copied();
    match back(1) {
        None => true,
        // `\n` and the like in a string; `%3D` and `\u003d` of an encoding.
        Some(b'n' | b'r' | b't') if back(2) == Some(b'\\') => true,
        Some(b)
            if b.is_ascii_hexdigit()
                && back(3) == Some(b'%')
                && back(2).is_some_and(|b| b.is_ascii_hexdigit()) =>
        {
            true
        }
        Some(b) if b.is_ascii_hexdigit() && back(6) == Some(b'\\') && back(5) == Some(b'u') => true,
        Some(b) => !(b.is_ascii_alphanumeric() || b == b'_'),
    }
}

fn stands_alone_after(text: &str, at: usize) -> bool {
    !text.as_bytes().get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

fn token_length(text: &str, at: usize, most: usize) -> usize {
    text.as_bytes()
        .get(at..)
        .map_or(0, |rest| rest.iter().take(most).take_while(|b| is_token(**b)).count())
}

fn token_start(text: &str, at: usize, most: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    // A colon, as in the token of a Telegram bot.
    let length =
        before.iter().rev().take(most).take_while(|b| is_token(**b) || **b == b':').count();
    at - length
}

fn window(text: &str, at: usize, length: usize) -> &str {
    let mut end = (at + length).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text.get(at..end).unwrap_or_default()
}

/// The first characters, at most four and at most a fifth, and the length.
fn redacted(secret: &str) -> String {
    let length = secret.chars().count();
    let shown: String = secret.chars().take((length / 5).min(4)).collect();
    format!("{shown}… ({length} characters)")
}

/// Finds lines of places that only go forward.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    start: usize,
}

impl<'t> Lines<'t> {
    /// Line and column (from 1) of a place, and the text of the line.
    fn place(&mut self, at: usize) -> (u32, u32, &'t str) {
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        for (index, _) in between.iter().enumerate().filter(|(_, b)| **b == b'\n') {
            self.line = self.line.saturating_add(1);
            self.start = self.at + index + 1;
        }
        self.at = at.max(self.at);
        let before = self.text.get(self.start..at).unwrap_or_default();
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        let line = self.text.get(self.start..).unwrap_or_default();
        (self.line.saturating_add(1), column, line.split('\n').next().unwrap_or(line))
    }
}

#[cfg(test)]
pub(crate) mod make;
#[cfg(test)]
mod tests;
