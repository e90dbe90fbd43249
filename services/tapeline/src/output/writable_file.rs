//! Check of an output file before the work that it is for.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Access, major, minor};
use rustix::io::Errno;

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

/// Major and minor number of `/dev/full`, the device on which every write fails.
const FULL_DEVICE: (u32, u32) = (1, 7);

/// Checks that the file can be written. A file that does not exist does not exist afterwards either, and an existing one keeps its content.
pub fn check_writable(file: &Path) -> io::Result<()> {
    check_name(file)?;
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() => {
            OpenOptions::new().write(true).open(file).map(drop)
        }
        Ok(metadata) => check_special(file, &metadata),
        Err(_) => {
            let mut created = OpenOptions::new().write(true).create(true).truncate(false).open(file)?;
            // A full disk has room for the name of a file, and none for its content.
            let written = created.write_all(b"\n");
            // The path may be a link whose target did not exist: the link is kept.
            fs::remove_file(fs::canonicalize(file)?)?;
            written
        }
    }
}

/// Checks a pipe, a socket or a device without opening it: that may wait for its reader.
fn check_special(file: &Path, metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_socket() {
        return Err(Errno::NXIO.into());
    }
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    if kind.is_char_device() && device == FULL_DEVICE {
        return Err(Errno::NOSPC.into());
    }
    Ok(rustix::fs::access(file, Access::WRITE_OK)?)
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
    fn full_device_and_socket_are_errors_before_they_are_written() {
        assert_eq!(check_writable(Path::new("/dev/full")).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let folder = tempfile::tempdir().unwrap();
        let (link, socket) = (folder.path().join("link"), folder.path().join("socket"));
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        assert_eq!(check_writable(&link).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(check_writable(&socket).is_err());
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
