//! Check of an output file before the work that it is for.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Checks that the file or folder is not named `-`: a user who means standard output would find a file of that name instead.
pub fn check_name(file: &Path) -> io::Result<()> {
    match file == Path::new("-") {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not standard output here, which has other text: use ./- for a file of that name, or /dev/stderr",
        )),
        false => Ok(()),
    }
}

/// Checks that the file can be written. A file that does not exist does not exist afterwards either.
pub fn check_writable(file: &Path) -> io::Result<()> {
    check_name(file)?;
    match fs::metadata(file) {
        // A pipe or a device: opening it may wait for its reader.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
        Ok(_) => OpenOptions::new().write(true).open(file).map(drop),
        Err(_) => {
            OpenOptions::new().write(true).create(true).truncate(false).open(file)?;
            // The path may be a link whose target did not exist: the link is kept.
            fs::remove_file(fs::canonicalize(file)?)
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
    fn dash_is_no_file() {
        assert_eq!(check_writable(Path::new("-")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let folder = tempfile::tempdir().unwrap();
        check_writable(&folder.path().join("-")).unwrap();
    }

    #[test]
    fn link_to_a_missing_file_is_writable_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        check_writable(&link).unwrap();
        assert_eq!((fs::read_link(&link).unwrap(), target.exists()), (target, false));
    }

    #[test]
    fn missing_folder_or_a_folder_as_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = check_writable(&folder.path().join("missing/report.json")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(check_writable(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
