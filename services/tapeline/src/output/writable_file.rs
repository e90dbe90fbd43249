//! Check of an output file before the work that it is for.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Checks that the file can be written. A file that does not exist does not exist afterwards either.
pub fn check_writable(file: &Path) -> io::Result<()> {
    match fs::metadata(file) {
        // A pipe or a device: opening it may wait for its reader.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
        Ok(_) => OpenOptions::new().write(true).open(file).map(drop),
        Err(_) => {
            OpenOptions::new().write(true).create_new(true).open(file)?;
            fs::remove_file(file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_changes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        fs::write(&old, "kept").unwrap();
        check_writable(&new).unwrap();
        check_writable(&old).unwrap();
        check_writable(Path::new("/dev/null")).unwrap();
        assert!(!new.exists() && fs::read_to_string(&old).unwrap() == "kept");
    }

    #[test]
    fn missing_folder_or_a_folder_as_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = check_writable(&folder.path().join("missing/report.json")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(check_writable(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
