//! What is in each package, and where it goes.

use crate::deb::DebError;
use crate::{documents, elf};
use flate2::{Compression, GzBuilder};
use std::fs;
use std::io::Write;
use std::path::Path;

/// One package.
pub(crate) struct Package {
    /// Debian's name of it.
    pub(crate) name: &'static str,
    /// The program in it, and its unit.
    pub(crate) program: &'static str,
    /// What it is, in a line.
    summary: &'static str,
    /// And in some more.
    description: &'static str,
    /// Its configuration: a name in `packaging/etc`.
    configuration: &'static str,
    /// What it keeps across restarts, which goes when the package is purged (Debian policy, 6.8).
    kept: Option<&'static str>,
}

/// Both.
pub(crate) const fn packages() -> [Package; 2] {
    [
        Package {
            name: "niv-iv",
            program: "iv",
            summary: "interface virtualizer: vNICs whose switch is another box",
            description: "On a host with virtual machines or containers, iv gives each a vNIC and writes a \
                          VNTag on every frame it sends. The switch, vis, treats each vNIC as a port of its own.",
            configuration: "iv.toml",
            kept: None,
        },
        Package {
            name: "niv-vis",
            program: "vis",
            summary: "virtual interface switch: a port for each vNIC of other hosts",
            description: "On a box with NICs, vis switches between the vNICs of hosts that run iv and plain \
                          ports, and enforces all policy, written as port profiles.",
            configuration: "vis.conf",
            kept: Some("/var/lib/niv"),
        },
    ]
}

/// A file of a package.
pub(crate) struct File {
    /// From the root, without the slash.
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) octets: Vec<u8>,
}

impl File {
    fn plain(path: impl Into<String>, octets: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            octets,
        }
    }
}

impl Package {
    /// `NAME_VERSION_ARCHITECTURE.deb`
    pub(crate) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, VERSION, architecture())
    }

    /// The fields of its control file (deb-control(5)).
    pub(crate) fn control(&self, files: &[File]) -> String {
        let program = files.iter().find(|file| file.mode & 0o111 != 0);
        let libc = program.and_then(|program| elf::newest_libc(&program.octets));
        let depends = libc.map_or("libc6".to_owned(), |(major, minor)| {
            format!("libc6 (>= {major}.{minor})")
        });
        let octets: usize = files.iter().map(|file| file.octets.len()).sum();
        let Self {
            name,
            summary,
            description,
            ..
        } = self;
        format!(
            "Package: {name}\nVersion: {VERSION}\nArchitecture: {}\nSection: net\nPriority: optional\n\
             Maintainer: the authors of the NIV reference <niv@localhost>\nDepends: {depends}, libgcc-s1\n\
             Installed-Size: {}\nDescription: {summary}\n {description}\n",
            architecture(),
            octets.div_ceil(1024),
        )
    }

    /// Configuration that an administrator's changes outlive.
    pub(crate) fn conffiles(&self) -> String {
        format!("/etc/niv/{}\n", self.configuration)
    }

    /// What runs after unpacking and before removal. Nothing is started: which NICs are to be used, nobody has said yet.
    pub(crate) fn scripts(&self) -> [(&'static str, String); 3] {
        let unit = format!("{}.service", self.program);
        let with_systemd = |what: &str| {
            format!("#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then\n  {what}\nfi\n")
        };
        let reload = "systemctl daemon-reload || true";
        let restart = format!("{reload}\n  systemctl try-restart {unit} || true");
        let stop = format!("[ \"$1\" != remove ] || systemctl disable --now {unit} || true");
        let purge = self.kept.map_or(String::new(), |folder| {
            format!("if [ \"$1\" = purge ]; then\n  rm -rf {folder}\nfi\n")
        });
        [
            ("postinst", with_systemd(&restart)),
            ("prerm", with_systemd(&stop)),
            ("postrm", with_systemd(reload) + &purge),
        ]
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// As Debian calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64" => "riscv64",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

/// Everything that is installed.
///
/// # Errors
/// A file of ours cannot be read.
pub(crate) fn files(
    package: &Package,
    built: &Path,
    sources: &Path,
) -> Result<Vec<File>, DebError> {
    let read = |path: &Path| fs::read(path).map_err(DebError::file("read", path));
    let Package { name, program, .. } = *package;
    let mut files = vec![File {
        path: format!("usr/bin/{program}"),
        mode: 0o755,
        octets: read(&built.join(program))?,
    }];
    let own = sources.join("packaging");
    let unit = format!("{program}.service");
    let unit_text = read(&own.join("units").join(&unit))?;
    files.push(File::plain(
        format!("usr/lib/systemd/system/{unit}"),
        unit_text,
    ));
    let configuration = package.configuration;
    let text = read(&own.join("etc").join(configuration))?;
    files.push(File::plain(format!("etc/niv/{configuration}"), text));
    let command = documents::command(program);
    for (page, text) in documents::pages(command.clone()) {
        let path = format!("usr/share/man/man8/{page}.8.gz");
        files.push(File::plain(path, compressed(&text)));
    }
    for (path, text) in documents::completions(command) {
        files.push(File::plain(path, text));
    }
    let folder = format!("usr/share/doc/{name}");
    let notice = "Licensed under MIT or Apache-2.0, at your choice. Both texts follow.\n\n";
    let licences = [
        notice.as_bytes().to_vec(),
        read(&sources.join("LICENSE-MIT"))?,
        b"\n".to_vec(),
        read(&sources.join("LICENSE-APACHE"))?,
    ];
    files.push(File::plain(
        format!("{folder}/copyright"),
        licences.concat(),
    ));
    let changes = read(&sources.join("CHANGELOG.md"))?;
    files.push(File::plain(
        format!("{folder}/changelog.gz"),
        compressed(&changes),
    ));
    for document in DOCUMENTS {
        let text = read(&sources.join("docs").join(document))?;
        files.push(File::plain(format!("{folder}/{document}"), text));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Of `docs`: what who runs a box needs.
const DOCUMENTS: &[&str] = &["deployment.md", "doctor.md", "cli.md", "vic.md"];

/// As `gzip -9n`: without a name or a time.
pub(crate) fn compressed(octets: &[u8]) -> Vec<u8> {
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = writer.write_all(octets);
    writer.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// A folder with programs that are none: this test is not about them.
    fn built() -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("niv-packaging-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for program in ["iv", "vis"] {
            fs::write(folder.join(program), b"\0GLIBC_2.34\0GLIBC_2.9\0").unwrap();
        }
        folder
    }

    #[test]
    fn purge_takes_away_what_was_kept_and_removal_does_not() {
        let kept = std::env::temp_dir().join(format!("niv-purged-{}", std::process::id()));
        let packages = packages();
        let vis = packages.iter().find(|package| package.program == "vis");
        let [_, _, (name, script)] = vis.unwrap().scripts();
        assert_eq!(name, "postrm");
        let script = script.replace("/var/lib/niv", kept.to_str().unwrap());
        assert!(script.contains(kept.to_str().unwrap()));
        for (why, stays) in [("upgrade", true), ("remove", true), ("purge", false)] {
            fs::create_dir_all(kept.join("below")).unwrap();
            let mut shell = std::process::Command::new("sh");
            let ended = shell.args(["-c", &script, "postrm", why]).status();
            assert!(ended.unwrap().success());
            assert_eq!(kept.exists(), stays, "{why}");
        }
    }

    #[test]
    fn a_package_has_what_its_program_needs() {
        let built = built();
        for package in packages() {
            let files = files(&package, &built, &sources()).unwrap();
            let has = |path: &str| files.iter().any(|file| file.path == path);
            let program = package.program;
            assert!(has(&format!("usr/bin/{program}")));
            assert!(has(&format!("usr/lib/systemd/system/{program}.service")));
            assert!(has(&format!("usr/share/man/man8/{program}.8.gz")));
            assert!(has(&format!("usr/share/man/man8/{program}-run.8.gz")));
            assert!(has(&format!(
                "usr/share/bash-completion/completions/{program}"
            )));
            let control = package.control(&files);
            assert!(control.contains("Depends: libc6 (>= 2.34),"), "{control}");
            let conffile = package.conffiles();
            assert!(has(conffile.trim().trim_start_matches('/')), "{conffile}");
        }
        fs::remove_dir_all(built).unwrap();
    }
}
