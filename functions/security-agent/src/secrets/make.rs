//! Secrets for tests, made from the descriptions of their kinds: none stands in a file of this
//! repository.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{
    name,
    rules::{Check, Kind},
    value::{Strength, base62, crc32, strength},
};

/// A source of chance that gives the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 16) % limit as u64).expect("small")
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Characters of an alphabet, again until nobody would take them for a word.
    pub(crate) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        loop {
            let text: String = (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect();
            if length < 12 || strength(&text) == Strength::Random || alphabet.len() < 16 {
                return text;
            }
        }
    }

    pub(crate) fn password(&mut self, length: usize) -> String {
        self.text(ALNUM, length)
    }
}

pub(crate) const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const B64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";

/// A GitHub token of the valid form.
pub(crate) fn token(chance: &mut Chance) -> String {
    with_checksum(&format!("gh{}_", "p"), &chance.password(30))
}

fn with_checksum(prefix: &str, random: &str) -> String {
    format!("{prefix}{random}{}", base62(crc32(random.as_bytes())))
}

/// A text that the expression matches; each character of a class is as likely as another.
fn of_form(form: &Hir, chance: &mut Chance, out: &mut String) {
    match form.kind() {
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let all: Vec<char> = class.iter().flat_map(|r| r.start()..=r.end()).collect();
            out.push(all[chance.below(all.len())]);
        }
        HirKind::Class(Class::Bytes(class)) => {
            let all: Vec<u8> = class.iter().flat_map(|r| r.start()..=r.end()).collect();
            out.push(char::from(all[chance.below(all.len())]));
        }
        HirKind::Repetition(repetition) => {
            let (least, most) = (repetition.min, repetition.max.unwrap_or(repetition.min + 8));
            let count = least as usize + chance.below((most - least + 1) as usize);
            (0..count).for_each(|_| of_form(&repetition.sub, chance, out));
        }
        HirKind::Capture(capture) => of_form(&capture.sub, chance, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| of_form(part, chance, out)),
        HirKind::Alternation(parts) => of_form(&parts[chance.below(parts.len())], chance, out),
        HirKind::Empty | HirKind::Look(_) => {}
    }
}

/// A secret of the kind.
pub(crate) fn example(kind: &Kind, chance: &mut Chance) -> String {
    let form = regex_syntax::parse(&kind.form).expect("a form");
    let mut last = String::new();
    for _ in 0..40 {
        let mut text = String::new();
        of_form(&form, chance, &mut text);
        if kind.check == Some(Check::Crc32Base62) {
            let (prefix, body) = text.split_once('_').expect("a prefix");
            text = with_checksum(&format!("{prefix}_"), &body[..30]);
        }
        // What a generator gives once in a long time looks like a word or a mask.
        let key =
            kind.keys.iter().find(|k| text.starts_with(k.as_str())).map_or("", String::as_str);
        let body = text[key.len()..]
            .rsplit(['-', '_', '.'])
            .max_by_key(|p| p.len())
            .unwrap_or("")
            .to_owned();
        if strength(&body) == Strength::Random
            || super::value::is_uuid(&text)
            || text.contains(['-', '/'])
            || body.len() < 14
        {
            return text;
        }
        last = text;
    }
    last
}

/// A name under which the kind is found.
pub(crate) fn name_for(kind: &Kind) -> String {
    let Some(near) = kind.near.first() else { return "value".to_owned() };
    let near = near.trim_start_matches(['-', '&', '?']);
    if name::promise(near) > name::Promise::Nothing {
        near.to_owned()
    } else if near.ends_with("sig") {
        format!("?{near}")
    } else {
        format!("{near}_token")
    }
}

/// A private key in PEM, of nobody.
pub(crate) fn pem(chance: &mut Chance, label: &str) -> Vec<String> {
    let mut lines = vec![format!("-----{} {label}PRIVATE {}-----", "BEGIN", "KEY")];
    lines.extend((0..6).map(|_| chance.text(B64, 64)));
    lines.push(format!("-----{} {label}PRIVATE {}-----", "END", "KEY"));
    lines
}
