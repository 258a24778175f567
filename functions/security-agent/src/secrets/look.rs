//! One text: prefixes, words, what is encoded in it.

use pact_contract::{FindingCode, Severity, codes};

use super::{
    check, decode,
    edges::{
        stands_alone_after, stands_alone_before, token_length, token_start, value_near, window,
    },
    engine::{Engine, Word},
    forms,
    hit::{Hit, without_overlaps},
    keys, pairs,
    place::{Place, Style},
    rules::Kind,
    text::{Text, Work},
    url, value,
};

/// Deepest nesting of encodings.
const MAX_DEPTH: usize = 3;

impl Engine {
    /// Collects the hits of a text.
    pub(super) fn look(&self, seen: &Text<'_>, work: &mut Work, hits: &mut Vec<Hit>) {
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
                Some(Word::Call(index)) => {
                    if !work.spend(512) {
                        return;
                    }
                    if let Some((value, at)) = forms::argument(text, end, *index)
                        && value::strength(value) == value::Strength::Random
                    {
                        hits.push(self.login(seen, at, value));
                    }
                }
                Some(word @ (Word::DataSource | Word::Oracle)) => {
                    if !work.spend(256) {
                        return;
                    }
                    let found = match word {
                        Word::Oracle => forms::oracle(text, end),
                        _ => forms::data_source(text, start),
                    };
                    if let Some((value, at)) = found {
                        let mut hit = self.login(seen, at, value);
                        hit.code = codes::SECRET_DATABASE_URL;
                        "database address with a password".clone_into(&mut hit.title);
                        hits.push(hit);
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

    /// A password beside the name that it belongs to.
    fn login(&self, seen: &Text<'_>, at: usize, password: &str) -> Hit {
        self.general(seen, at, password, codes::SECRET_ASSIGNMENT, "hard-coded credential")
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
    pub(super) fn look_into(
        &self,
        seen: &Text<'_>,
        kept: forms::Kept,
        work: &mut Work,
        hits: &mut Vec<Hit>,
    ) {
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
