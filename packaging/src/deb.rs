//! A Debian package: an `ar` archive of a version, of what dpkg needs to know, and of the files (deb(5)).

use crate::contents::{File, Package};
use flate2::{Compression, GzBuilder};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A package that could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DebError {
    /// A file cannot be read or written.
    #[error("cannot {attempt} {}", path.display())]
    File {
        /// `read`, `make` or `write`.
        attempt: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl DebError {
    pub(crate) fn file(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            attempt,
            path,
            source,
        }
    }
}

/// Writes the package. `made_at` is the time of everything in it.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_deb(
    path: &Path,
    package: &Package,
    files: &[File],
    made_at: u64,
) -> Result<(), DebError> {
    let written = build(package, files, made_at).and_then(|octets| std::fs::write(path, octets));
    written.map_err(DebError::file("write", path))
}

fn build(package: &Package, files: &[File], made_at: u64) -> io::Result<Vec<u8>> {
    let mut archive = ar::Builder::new(Vec::new());
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", control(package, files, made_at)?),
        ("data.tar.gz", data(files, made_at)?),
    ];
    for (name, octets) in members {
        let mut header = ar::Header::new(name.into(), octets.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(made_at);
        archive.append(&header, &*octets)?;
    }
    archive.into_inner()
}

fn control(package: &Package, files: &[File], made_at: u64) -> io::Result<Vec<u8>> {
    let mut tar = Tar::new(made_at);
    tar.folder("./")?;
    tar.file("./control", 0o644, package.control(files).as_bytes())?;
    tar.file("./conffiles", 0o644, package.conffiles().as_bytes())?;
    for (name, script) in package.scripts() {
        tar.file(&format!("./{name}"), 0o755, script.as_bytes())?;
    }
    tar.finish()
}

fn data(files: &[File], made_at: u64) -> io::Result<Vec<u8>> {
    let mut tar = Tar::new(made_at);
    let mut made = BTreeSet::new();
    tar.folder("./")?;
    for file in files {
        let ends = file.path.match_indices('/').map(|(end, _)| end);
        for end in ends {
            let folder = file.path.get(..end).unwrap_or_default();
            if made.insert(folder) {
                tar.folder(&format!("./{folder}/"))?;
            }
        }
        tar.file(&format!("./{}", file.path), file.mode, &file.octets)?;
    }
    tar.finish()
}

/// A compressed archive in which everything is root's.
struct Tar {
    builder: tar::Builder<flate2::write::GzEncoder<Vec<u8>>>,
    made_at: u64,
}

impl Tar {
    fn new(made_at: u64) -> Self {
        let encoder = GzBuilder::new().write(Vec::new(), Compression::default());
        let builder = tar::Builder::new(encoder);
        Self { builder, made_at }
    }

    fn header(&self, kind: tar::EntryType, mode: u32, size: u64) -> io::Result<tar::Header> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(self.made_at);
        header.set_size(size);
        Ok(header)
    }

    fn folder(&mut self, path: &str) -> io::Result<()> {
        let header = self.header(tar::EntryType::Directory, 0o755, 0)?;
        self.append(header, path, &[])
    }

    fn file(&mut self, path: &str, mode: u32, octets: &[u8]) -> io::Result<()> {
        let header = self.header(tar::EntryType::Regular, mode, octets.len() as u64)?;
        self.append(header, path, octets)
    }

    /// `dpkg` wants `./` before each path, which the library takes away.
    fn append(&mut self, mut header: tar::Header, path: &str, octets: &[u8]) -> io::Result<()> {
        let name = &mut header.as_old_mut().name;
        let name = name.get_mut(..path.len()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is too long"))
        })?;
        name.copy_from_slice(path.as_bytes());
        header.set_cksum();
        self.builder.append(&header, octets)
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        let mut encoder = self.builder.into_inner()?;
        encoder.flush()?;
        encoder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::packages;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn what_is_written_is_read_back_and_is_roots() {
        let [package, _] = packages();
        let file = |path: &str, mode| File {
            path: path.to_owned(),
            mode,
            octets: path.as_bytes().to_vec(),
        };
        let files = [file("etc/niv/iv.toml", 0o644), file("usr/bin/iv", 0o755)];
        let octets = build(&package, &files, 1_000_000_000).unwrap();
        assert_eq!(octets, build(&package, &files, 1_000_000_000).unwrap());

        let mut archive = ar::Archive::new(&*octets);
        let mut members = Vec::new();
        while let Some(entry) = archive.next_entry() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8_lossy(entry.header().identifier()).into_owned();
            let mut octets = Vec::new();
            entry.read_to_end(&mut octets).unwrap();
            members.push((name, octets));
        }
        let names: Vec<_> = members.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);
        let mut data = tar::Archive::new(GzDecoder::new(&*members[2].1));
        let mut paths = Vec::new();
        for entry in data.entries().unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.header().uid().unwrap(), 0);
            assert_eq!(entry.header().username().unwrap(), Some("root"));
            assert_eq!(entry.header().mtime().unwrap(), 1_000_000_000);
            paths.push(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        }
        let expected = [
            "./",
            "./etc/",
            "./etc/niv/",
            "./etc/niv/iv.toml",
            "./usr/",
            "./usr/bin/",
            "./usr/bin/iv",
        ];
        assert_eq!(paths, expected);
    }
}
