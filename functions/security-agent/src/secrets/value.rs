//! What a value looks like: random, made up, or a name.

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

/// Values out of documentation and emulators, and whatever says of itself that it is none.
pub(crate) fn is_well_known(secret: &str) -> bool {
    // Parts of published example values, too short to be secrets themselves.
    const PARTS: &[&str] = &[
        "4eC39HqLyjWD",
        "TYooMQauvdED",
        "BQokikJOvBiI",
        "Eby8vdM02xNO",
        "C2y6yDjf5/R+",
        "SflKxwRJSMeK",
        "9tSrke72PouQ",
        "TJVA95OrM7E2",
        "wJalrXUtnFEM",
    ];
    let lower = secret.to_ascii_lowercase();
    lower.contains("example")
        || lower.contains("redacted")
        || lower.contains("placeholder")
        || PARTS.iter().any(|part| secret.contains(part))
        || has_run(secret, 6)
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
    ["${", "{{", "#{", "$(", "%(", "<", ">", "{", "}", "%s", "%v", "%d", "***", "...", "…", "\\("]
        .iter()
        .any(|mark| value.contains(mark))
        || value.starts_with(['$', '%', '@'])
}

/// Words of which made-up values are made.
const FILLERS: &[&str] = &[
    "abcdef",
    "changeit",
    "changeme",
    "default",
    "dummy",
    "fake",
    "foobar",
    "hunter2",
    "insert",
    "invalid",
    "lorem",
    "my_",
    "my-",
    "mypass",
    "mysecret",
    "mytoken",
    "notsecret",
    "passwd",
    "password",
    "passw0rd",
    "qwerty",
    "replace",
    "sample",
    "secret",
    "someth",
    "test",
    "todo",
    "token",
    "user",
    "xxx",
    "your",
    "12345",
    "54321",
];

pub(crate) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    is_template(value)
        || is_well_known(value)
        || FILLERS.iter().any(|filler| lower.contains(filler))
        || [
            "pass", "pwd", "pw", "pass1", "root", "admin", "guest", "postgres", "mysql", "redis",
            "foo", "bar", "baz", "abc",
        ]
        .contains(&lower.as_str())
        || has_run(value, 4)
}

/// Whether a value looks as if a generator, not a person who names things, had made it.
pub(crate) fn looks_random(value: &str) -> bool {
    if is_placeholder(value) || value.len() < 10 || !value.is_ascii() {
        return false;
    }
    if value.contains("://") || value.starts_with(['/', '.', '#', '-', '&', '?', '*']) {
        return false;
    }
    if value.contains(['(', ')', '[', ']', ' ', '\\', '|', ',', ';']) || value.contains("::") {
        return false;
    }
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    if digits < 2 || !has(u8::is_ascii_alphabetic) || is_uuid(value) || is_name(value) {
        return false;
    }
    let classes = usize::from(has(u8::is_ascii_lowercase))
        + usize::from(has(u8::is_ascii_uppercase))
        + 1
        + usize::from(has(|b| !b.is_ascii_alphanumeric()));
    let hexadecimal = value.bytes().all(|b| b.is_ascii_hexdigit());
    let needed = match value.len() {
        _ if hexadecimal && value.len() >= 32 => 3.0,
        _ if hexadecimal => return false,
        0..=15 if classes >= 3 => 3.2,
        0..=15 => return false,
        16..=23 => 3.5,
        _ => 3.8,
    };
    entropy(value) >= needed
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Words joined by `-`, `_`, `.`, `/` or `:`, each of letters or of a few digits: a name, a path or
/// a version.
fn is_name(value: &str) -> bool {
    value.split(['-', '_', '.', '/', ':', '@', '+']).all(|word| {
        let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let other = word.len() - letters - digits;
        let switches = word
            .as_bytes()
            .windows(2)
            .filter(|w| matches!(w, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()))
            .count();
        other == 0 && switches <= 2 && digits <= 4 && (letters <= 12 || digits == 0)
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
            "tr0ub4dor&3x!",
        ] {
            assert!(looks_random(value), "{value}");
        }
        for value in [
            "my-access-token-v2",
            "config.auth.token",
            "changeme12345",
            "aaaaaaaaaa11",
            "550e8400-e29b-41d4-a716-446655440000",
            "application/json",
            "${TOKEN_1}",
            "x-api-key-header2",
            "AuthorizationCode",
            "/run/secrets/db1",
            "oauth2.googleapis.com",
            "RSA-OAEP-256",
            "short1",
        ] {
            assert!(!looks_random(value), "{value}");
        }
    }
}
