//! What a value looks like: random, made by a person, a placeholder, or a name.

/// Shannon entropy in bits per character.
pub(crate) fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// How unlikely one letter is after another in names and prose, in whole bits (at most 9): row
/// the first, column the second letter. Counted over the words of Rust packages.
const PAIRS: [&[u8; 26]; 26] = [
    b"84449659496243949332567758",
    b"37672899369269389446299949",
    b"38583693494479289453499979",
    b"37741767288577379547478859",
    b"47435568699442856224856479",
    b"38772359299466299465399969",
    b"48781853399463489345398979",
    b"27991999299858389563599969",
    b"55344549997441369543959695",
    b"37691997494978289839278898",
    b"57661578299684689736577879",
    b"38742689298398379844477939",
    b"25872979399558329946399989",
    b"49333529497576479832557969",
    b"76447669686432549244354799",
    b"29862996498289349243499959",
    b"78569988999598997664096989",
    b"38551659396655379444467959",
    b"49582894397667449732378959",
    b"38562793299679469344497949",
    b"44464659499342749322999899",
    b"29790969299979499789999899",
    b"29983892299794399347995999",
    b"36363585399868629872789469",
    b"65564688498443329533776877",
    b"38890899489689488969698855",
];

/// Mean surprise of the letters that follow each other, in bits; none with fewer than six pairs.
/// Words have at most about 4.3, random letters at least about 4.9.
pub(crate) fn surprise(text: &str) -> Option<f64> {
    let (mut sum, mut count) = (0u32, 0u32);
    for pair in text.as_bytes().windows(2) {
        let &[a, b] = pair else { continue };
        if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() {
            continue;
        }
        let index = |byte: u8| usize::from(byte.to_ascii_lowercase() - b'a');
        let bits = PAIRS.get(index(a)).and_then(|row| row.get(index(b)));
        sum += bits.map_or(0, |b| u32::from(b - b'0'));
        count += 1;
    }
    (count >= 6).then(|| f64::from(sum) / f64::from(count))
}

/// Whether one character is repeated `length` times.
pub(crate) fn has_run(text: &str, length: usize) -> bool {
    let mut run = 0;
    let mut last = None;
    text.bytes().any(|byte| {
        run = if last == Some(byte) { run + 1 } else { 1 };
        last = Some(byte);
        run >= length
    })
}

/// Whether much of a value counts up or down, or says the same again and again.
pub(crate) fn is_sequence(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    if bytes.len() < 6 {
        return false;
    }
    let steps = bytes
        .windows(2)
        .filter(|w| {
            matches!(w, [a, b] if a.abs_diff(*b) <= 1 && a.is_ascii_alphanumeric()
                || (*a == b'9' && *b == b'0') || (*a == b'z' && *b == b'0') || (*a == b'9' && *b == b'a'))
        })
        .count();
    // Of few characters, many are neighbours by chance.
    let needed = if bytes.iter().all(u8::is_ascii_digit) {
        8
    } else if bytes.iter().all(u8::is_ascii_hexdigit) {
        6
    } else {
        5
    };
    if steps * 10 >= (bytes.len() - 1) * needed {
        return true;
    }
    // A counting run of ten is no accident anywhere.
    let mut run = 0;
    for w in bytes.windows(2) {
        run = if matches!(w, [a, b] if *b == a.wrapping_add(1)) { run + 1 } else { 0 };
        if run >= 9 {
            return true;
        }
    }
    // A block that is repeated.
    (1..=bytes.len() / 3).any(|size| {
        bytes.len() >= 8 && bytes.iter().zip(bytes.iter().skip(size)).all(|(a, b)| a == b)
    })
}

/// Whether `length` characters count up one by one.
pub(crate) fn counts_up(text: &str, length: usize) -> bool {
    let mut run = 1;
    text.as_bytes().windows(2).any(|w| {
        let next =
            matches!(w, [a, b] if b.to_ascii_lowercase() == a.to_ascii_lowercase().wrapping_add(1));
        run = if next { run + 1 } else { 1 };
        run >= length
    })
}

/// CRC-32 as in zip files.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Six digits to the base 62.
pub(crate) fn base62(mut number: u32) -> String {
    let mut digits = Vec::with_capacity(6);
    for _ in 0..6 {
        let digit = u8::try_from(number % 62).unwrap_or_default();
        digits.push(match digit {
            0..=9 => char::from(b'0' + digit),
            10..=35 => char::from(b'A' + digit - 10),
            _ => char::from(b'a' + digit - 36),
        });
        number /= 62;
    }
    digits.iter().rev().collect()
}

/// Whether a value is filled in elsewhere.
pub(crate) fn is_template(value: &str) -> bool {
    ["***", "...", "…", "\\(", "@@", "$[", "::", "()"].iter().any(|mark| value.contains(mark))
        // What is filled in ends somewhere: a generator writes such signs too.
        || [("${", "}"), ("{{", "}"), ("#{", "}"), ("$(", ")"), ("%(", ")"), ("%{", "}"), ("<%", ">")]
            .iter()
            .any(|(open, close)| {
                value.find(open).is_some_and(|at| {
                    value.len() < 40 && !is_mixed(value, 12)
                        || value.get(at..).is_some_and(|rest| rest.contains(close))
                })
            })
        || value.starts_with(['$', '%', '@', '<', '{', '&'])
            && !value.ends_with(|c: char| c.is_ascii_digit())
            && !is_mixed(value.get(1..).unwrap_or_default(), 12)
        || value.contains('<') && value.contains('>')
        || ["%s", "%v", "%d", "{}", "{0}"].contains(&value)
        || value.starts_with('{') && value.ends_with('}')
        || value.starts_with('%') && value.ends_with('%')
        || [
            "arn:",
            "env:",
            "vault:",
            "ssm:",
            "secret:",
            "ENC[",
            "AQICAH",
            "op://",
            "sops:",
            "file:",
            "!vault",
            "projects/",
        ]
        .iter()
        .any(|start| value.starts_with(start))
}

/// Words of which made-up values are made, longer ones first.
const FILLERS: &[&str] = &[
    "correcthorsebatterystaple",
    "thisisnotasecret",
    "notarealsecret",
    "placeholder",
    "undefined",
    "replace_me",
    "replaceme",
    "change-me",
    "change_me",
    "changeit",
    "changeme",
    "notsecret",
    "mysecret",
    "mypassword",
    "password",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "pa$$word",
    "base64",
    "passphrase",
    "passwort",
    "hunter2",
    "example",
    "redacted",
    "sample",
    "dummy",
    "foobar",
    "insert",
    "invalid",
    "lorem",
    "ipsum",
    "passwd",
    "qwerty",
    "asdf",
    "replace",
    "secret",
    "default",
    "something",
    "somevalue",
    "some_",
    "some-",
    "testing",
    "test",
    "todo",
    "token",
    "user",
    "your",
    "fake",
    "mock",
    "none",
    "null",
    "admin",
    "root",
    "letmein",
    "welcome",
    "monkey",
    "string",
    "value",
    "hidden",
    "masked",
    "removed",
    "super",
    "client",
    "access",
    "apikey",
    "api_key",
    "api-key",
    "key",
    "demo",
    "temp",
    "prod",
    "abc123",
    "abcdef",
    "abc",
    "xyz",
    "12345",
    "54321",
    "1234",
    "123",
    "xxx",
    "foo",
    "bar",
    "baz",
    "here",
    "my_",
    "my-",
    "the_",
    "the-",
    "goes",
];

/// What is left of a value when the words of made-up values are taken out.
pub(crate) fn without_fillers(value: &str) -> String {
    let mut rest = value.to_ascii_lowercase();
    let mut kept = value.to_owned();
    if rest.len() != kept.len() {
        return kept;
    }
    for filler in FILLERS {
        while let Some(at) = rest.find(filler) {
            rest.replace_range(at..at + filler.len(), "");
            kept.replace_range(at..at + filler.len(), "");
        }
    }
    kept
}

/// Parts of values that documentation and emulators publish, too short to be secrets themselves.
const PUBLISHED: &[&str] = &[
    "4eC39HqLyjWD",
    "TYooMQauvdED",
    "BQokikJOvBiI",
    "Eby8vdM02xNO",
    "C2y6yDjf5/R+",
    "SflKxwRJSMeK",
    "9tSrke72PouQ",
    "TJVA95OrM7E2",
    "wJalrXUtnFEM",
    "IOSFODNN7",
    "I44QH8DHBEXAMPLE",
    "xU4iHFN93QxR",
    "b3ZlcnJpZGU6",
    "dGVzdDp0ZXN0",
    "QWxhZGRpbjpv",
    "dXNlcjpwYXNz",
    "Zm9vOmJhcg",
    "YWRtaW46YWRt",
    "AizaSyDummy",
    "mF_9.B5f-4.1JqM",
    "czZCaGRSa3F0",
    "7Fjfp0ZBr1Kt",
    "sIqbpzQcpiVu",
    "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29t",
];

/// Values out of documentation and emulators.
pub(crate) fn is_published(secret: &str) -> bool {
    PUBLISHED.iter().any(|part| secret.contains(part))
}

/// Whether nothing of a value is a secret: a template, a sequence, a mask, a word that says so.
pub(crate) fn is_placeholder(value: &str) -> bool {
    if is_template(value) || is_published(value) || is_sequence(value) || has_run(value, 5) {
        return true;
    }
    // In capitals at its beginning or end, as manuals mark theirs; and what is encrypted already.
    let end = value.trim_end_matches(['=', '-', '_', '.']);
    if value.starts_with("EXAMPLE") || end.ends_with("EXAMPLE") || end.ends_with("EXAMPLEKEY") {
        return true;
    }
    if value.ends_with(']')
        && value.find('[').is_some_and(|at| {
            (2..=12).contains(&at) && value.bytes().take(at).all(|b| b.is_ascii_uppercase())
        })
    {
        return true;
    }
    let kept = without_fillers(value);
    if kept.len() == value.len() {
        return false;
    }
    let rest = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    // What remains has to be a secret by itself.
    rest.len() < 8 || !is_mixed(rest, 8) || is_sequence(rest)
}

/// How a value looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// A name, a word, a path, a placeholder.
    Nothing,
    /// What a person chooses for a password: letters, digits and signs.
    Chosen,
    /// What only a generator makes.
    Random,
}

/// How a value looks.
pub(crate) fn strength(value: &str) -> Strength {
    if value.len() < 6 || value.len() > 600 || !value.is_ascii() || is_placeholder(value) {
        return Strength::Nothing;
    }
    if value.bytes().any(|b| b.is_ascii_control() || b == b' ')
        || value.contains("://")
        || value.starts_with(['/', '.', '-', '?', '*', '~'])
            && !is_mixed(value.trim_start_matches(['/', '.', '-', '?', '*', '~']), 16)
        || value.contains("..")
        || is_date_or_version(value)
        || is_path(value)
    {
        return Strength::Nothing;
    }
    if is_uuid(value) {
        return Strength::Chosen;
    }
    let hexadecimal =
        value.strip_prefix("0x").unwrap_or(value).bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && value.len() >= 20 {
        let good = value.len() >= 32 && entropy(value) >= 3.0 || entropy(value) >= 3.2;
        return if good && has_digit_and_letter(value) {
            Strength::Random
        } else {
            Strength::Nothing
        };
    }
    if is_mixed(value, 10) && !is_name(value) {
        return Strength::Random;
    }
    let signs = value.bytes().filter(|b| !b.is_ascii_alphanumeric()).count();
    let plain =
        value.bytes().filter(|b| !b.is_ascii_alphanumeric()).all(|b| b"-_.:/,+".contains(&b));
    if value.len() >= 8 && has_digit_and_letter(value) && signs > 0 && !plain && !is_code(value) {
        return Strength::Chosen;
    }
    if (8..=40).contains(&value.len())
        && has_digit_and_letter(value)
        && value.bytes().any(|b| b.is_ascii_uppercase())
        && value.bytes().any(|b| b.is_ascii_lowercase())
        && !is_name(value)
    {
        return Strength::Chosen;
    }
    Strength::Nothing
}

fn has_digit_and_letter(value: &str) -> bool {
    value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Whether the classes of characters change as only a generator makes them, over `least`
/// characters and more.
pub(crate) fn is_mixed(value: &str, least: usize) -> bool {
    if value.len() < least {
        return false;
    }
    let class = |b: u8| match b {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let (mut switches, mut pairs) = (0usize, 0usize);
    for w in value.as_bytes().windows(2) {
        let &[a, b] = w else { continue };
        pairs += 1;
        // A word may begin with a capital.
        if class(a) != class(b) && !(class(a) == 2 && class(b) == 1) {
            switches += 1;
        }
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let upper = value.bytes().any(|b| b.is_ascii_uppercase());
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    if letters < 2 || pairs == 0 {
        return false;
    }
    let share = switches as f64 / pairs as f64;
    // The letters of hexadecimal digits make no words.
    let hex = value.bytes().filter(u8::is_ascii_alphabetic).all(|b| b.is_ascii_hexdigit());
    let odd = surprise(value).filter(|_| !hex);
    let needed = match value.len() {
        0..=11 => 2.9,
        12..=15 => 3.1,
        16..=23 => 3.3,
        _ => 3.6,
    };
    if entropy(value) < needed {
        return false;
    }
    match (digits, upper && lower) {
        // Letters alone: by their order.
        (0, true) => value.len() >= 14 && share >= 0.22 && odd.is_some_and(|o| o >= 4.7),
        (0, false) => value.len() >= 16 && odd.is_some_and(|o| o >= 5.0),
        (1, _) => {
            value.len() >= 12
                && odd.is_none_or(|o| o >= 4.6)
                && (share >= 0.24 || odd.is_some_and(|o| o >= 5.0))
        }
        _ => {
            share >= 0.24 && odd.is_none_or(|o| o >= 4.1)
                || odd.is_some_and(|o| o >= 5.2) && share >= 0.15
        }
    }
}

/// `8-4-4-4-12` hexadecimal digits.
pub(crate) fn is_uuid(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_date_or_version(value: &str) -> bool {
    let numbers = value.trim_start_matches(['v', 'V', '^', '~', '=', '>', '<']);
    !numbers.is_empty() && numbers.bytes().all(|b| b.is_ascii_digit() || b".-:TZ+_/".contains(&b))
}

/// Words between slashes or backslashes, or a name with an ending.
fn is_path(value: &str) -> bool {
    let slashes = value.matches(['/', '\\']).count();
    let ending = value.rsplit_once('.').is_some_and(|(stem, ending)| {
        (1..=5).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_lowercase())
            && !stem.is_empty()
            && !is_mixed(stem, 12)
    });
    ending || slashes >= 2 && value.split(['/', '\\']).all(is_name)
}

/// What only source code has.
fn is_code(value: &str) -> bool {
    value.contains(['(', ')', ';', '{', '}', '[', ']', '|', '`', '\\', '"', '\''])
        && !is_mixed(value, 12)
        || value.contains("=>")
        || value.contains("->")
        || value.ends_with(':')
        || value.starts_with('#')
        || value.split('.').count() > 2
            && value.split('.').all(|w| w.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_'))
}

/// Words joined by `-`, `_`, `.`, `/` or `:`, each of letters or of a few digits: a name, a path or
/// a version.
fn is_name(value: &str) -> bool {
    value.split(['-', '_', '.', '/', ':', '@', '+', '#', '=', ',']).all(|word| {
        let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let other = word.len() - letters - digits;
        let switches = word
            .as_bytes()
            .windows(2)
            .filter(|w| matches!(w, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()))
            .count();
        other == 0
            && (word.is_empty()
                || digits == 0 && surprise(word).is_none_or(|s| s < 4.7)
                || letters == 0 && digits <= 10
                || switches <= 1 && digits <= 4 && surprise(word).is_none_or(|s| s < 4.6)
                || switches <= 2
                    && digits <= 2
                    && word.len() <= 12
                    && surprise(word).is_none_or(|s| s < 4.4))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip_files_in_base_62() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base62(0), "000000");
        assert_eq!(base62(61), "00000z");
        assert_eq!(base62(u32::MAX), "4gfFC3");
        // A published, revoked example.
        let random = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        assert_eq!(base62(crc32(random.as_bytes())), "0mLq17");
    }

    #[test]
    fn entropy_of_known_texts() {
        assert_eq!(entropy(""), 0.0);
        assert_eq!(entropy("aaaa"), 0.0);
        assert!((entropy("abcd") - 2.0).abs() < 1e-9);
    }

    #[test]
    fn random_values_are_told_from_names() {
        for value in [
            "q7Zt4LmX9vR2pK",
            "8f14e45fceea167a5a36dedd4bea2543",
            "Xk29-fLq0Ve7Ty_wZs31",
            "x8fk2m9qw4tz7c1p",
            "q9Examplez7Kd02mXw4",
        ] {
            assert_eq!(strength(value), Strength::Random, "{value}");
        }
        for value in ["tr0ub4dor&3x!", "Summer2031!x", "550e8400-e29b-41d4-a716-446655440000"] {
            assert!(strength(value) >= Strength::Chosen, "{value}");
        }
        for value in [
            "my-access-token-v2",
            "config.auth.token",
            "changeme12345",
            "password123",
            "aaaaaaaaaa11",
            "application/json",
            "${TOKEN_1}",
            "x-api-key-header2",
            "AuthorizationCode",
            "/run/secrets/db1",
            "oauth2.googleapis.com",
            "RSA-OAEP-256",
            "short1",
            "abcdefghijklmnopqrst",
            "sk_live_abcdefghijklmnop",
            "getUserNameByIdentifier",
            "kubernetes.io/service-account-token",
            "2024-05-01T10:00:00Z",
            "arn:aws:secretsmanager:eu-west-1:1:secret:x9Kd02mXw4",
            "XXXXXXXXXXXXXXXX",
            "0123456789abcdef0123456789abcdef",
            "eoEmxw+YaYhb3h3iVJHuXMJXqeu1q1/wwmvjuEXAMPLE",
            "NACL[MRN3cc+fmdxyQbz6WMF+jq1hKdU5X5BBI7OjK+atvHo1ll]",
        ] {
            assert_eq!(strength(value), Strength::Nothing, "{value}");
        }
    }
}
