//! How records stand in a file: length and CRC-32, four bytes each, little endian, then the bytes.

use serde::{Deserialize, Serialize};

/// What a file begins with.
pub(super) const MAGIC: &[u8; 8] = b"SFNJRNL1";
/// How long what stands before a record is.
pub(super) const HEADER: usize = 8;
/// The longest record.
pub(super) const LONGEST: usize = 256 * 1024 * 1024;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The file is a journal of this version.
    Sound,
    /// It is one of another version.
    OtherVersion,
    /// It is none, or its first bytes are damaged.
    Unknown,
}

impl Beginning {
    pub(super) fn of(bytes: &[u8; 8]) -> Self {
        let differing: u32 = bytes.iter().zip(MAGIC).map(|(a, b)| (a ^ b).count_ones()).sum();
        match differing {
            0 => Self::Sound,
            // No other version has a number that differs in one bit only.
            1 => Self::Unknown,
            _ if bytes.starts_with(b"SFNJRNL") => Self::OtherVersion,
            _ => Self::Unknown,
        }
    }
}

/// The header of `record`; none when it is empty or too long.
pub(super) fn header(record: &[u8]) -> Option<[u8; HEADER]> {
    if !(1..=LONGEST).contains(&record.len()) {
        return None;
    }
    let length = u32::try_from(record.len()).ok()?;
    let mut header = [0; HEADER];
    let (first, second) = header.split_at_mut(4);
    first.copy_from_slice(&length.to_le_bytes());
    second.copy_from_slice(&crc32fast::hash(record).to_le_bytes());
    Some(header)
}

/// The length that a header gives, where a record can have it.
pub(super) fn length(header: [u8; HEADER]) -> Option<u32> {
    let [a, b, c, d, ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    (1..=LONGEST).contains(&(length as usize)).then_some(length)
}

/// Whether `record` is what its header was made for.
pub(super) fn is_sound(header: [u8; HEADER], record: &[u8]) -> bool {
    let [.., a, b, c, d] = header;
    length(header) == u32::try_from(record.len()).ok()
        && u32::from_le_bytes([a, b, c, d]) == crc32fast::hash(record)
}

/// Whether bytes can be the first of a record: all records are JSON objects with one member, which
/// is named like a type.
pub(super) fn begins_record(bytes: [u8; 3]) -> bool {
    matches!(bytes, [b'{', b'"', b'A'..=b'Z'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_damage_and_another_number_a_version() {
        assert_eq!(Beginning::of(MAGIC), Beginning::Sound);
        assert_eq!(Beginning::of(b"SFNJRNL2"), Beginning::OtherVersion);
        for bit in 0..64 {
            let mut bytes = *MAGIC;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Beginning::of(&bytes), Beginning::Unknown);
        }
        assert_eq!(Beginning::of(b"something"[..8].try_into().unwrap()), Beginning::Unknown);
    }
}
