//! Files that others wrote, bounded in size.

use std::{io::Read, path::Path};

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("larger than {} MiB", limit / 1024 / 1024));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        std::fs::write(&path, "12345").expect("a file");
        assert!(read(&path, 4).is_err());
        assert_eq!(read(&path, 5), Ok(b"12345".to_vec()));
    }
}
