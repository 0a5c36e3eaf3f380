//! Where the sockets are.

use std::path::{Path, PathBuf};

/// The longest path the kernel takes for a socket (`sun_path` less its final zero).
const MAX_PATH: usize = 107;

/// Who a socket is for. Its owner and mode say who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Network people: everything. `vis.sock`, mode 0600.
    Network,
    /// Users that the daemon's configuration gives a role. `vis-operator.sock`, mode 0666: the daemon asks the kernel
    /// who is there, and tells who has no role.
    Operator,
}

impl Role {
    /// The mode of the role's socket.
    pub const fn mode(self) -> u32 {
        match self {
            Self::Network => 0o600,
            Self::Operator => 0o666,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Network => "",
            Self::Operator => "-operator",
        }
    }
}

/// No place for a socket.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// Not root, and no directory of the user's own.
    #[error(
        "no place for the socket of {program}: without root it lives under XDG_RUNTIME_DIR, which is \
         not set; name a place with --socket PATH or {variable}=PATH"
    )]
    NoRuntimeDirectory {
        /// The daemon.
        program: String,
        /// The variable that names a place.
        variable: String,
    },
    /// More octets than the kernel takes.
    #[error(
        "the socket path {path} has {length} octets and the kernel takes {MAX_PATH}: name a shorter one \
         with --socket PATH"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its octets.
        length: usize,
    },
}

/// The folder of root's sockets.
const OF_ROOT: &str = "/run/niv";

/// Where the socket of `program` for `role` is: `given` (from `--socket`), else the variable
/// `PROGRAM_SOCKET`, else `/run/niv` as root and `$XDG_RUNTIME_DIR/niv` without.
///
/// With a place given by hand, the network role has exactly that path and the operator role its
/// neighbour: `/tmp/a.sock` and `/tmp/a-operator.sock`.
///
/// # Errors
/// There is no such place, or its path is too long for a socket.
pub fn socket_path(program: &str, role: Role, given: Option<&Path>) -> Result<PathBuf, PathError> {
    let variable = variable(program);
    let place = given
        .map(Path::to_owned)
        .or_else(|| std::env::var_os(&variable).map(PathBuf::from));
    let path = match place {
        Some(path) => beside(path, role),
        None => runtime_directory()
            .ok_or_else(|| PathError::NoRuntimeDirectory {
                program: program.to_owned(),
                variable,
            })?
            .join(format!("{program}{}.sock", role.suffix())),
    };
    check_length(path)
}

/// Where a user finds the socket for those with a role: beside a place given by hand or by the variable, else that of
/// root's daemon.
///
/// # Errors
/// As [`socket_path`].
pub(crate) fn shared_path(program: &str, given: Option<&Path>) -> Result<PathBuf, PathError> {
    let named = given.is_some() || std::env::var_os(variable(program)).is_some();
    if named {
        return socket_path(program, Role::Operator, given);
    }
    let file = format!("{program}{}.sock", Role::Operator.suffix());
    Ok(Path::new(OF_ROOT).join(file))
}

fn variable(program: &str) -> String {
    format!("{}_SOCKET", program.to_uppercase())
}

fn runtime_directory() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        Some(PathBuf::from(OF_ROOT))
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join("niv"))
    }
}

/// Where a daemon keeps what another process after it must find, wherever that one's socket is: the folder
/// of the usual sockets, or where this user may not write there, that of `socket`.
pub fn state_folder(socket: &Path) -> PathBuf {
    let usual = runtime_directory().filter(|folder| {
        let made = std::fs::create_dir_all(folder).is_ok();
        made && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
    });
    usual.unwrap_or_else(|| socket.parent().unwrap_or(Path::new(".")).to_owned())
}

fn beside(path: PathBuf, role: Role) -> PathBuf {
    if role == Role::Network {
        return path;
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path
        .extension()
        .map(|extension| format!(".{}", extension.to_string_lossy()))
        .unwrap_or_default();
    path.with_file_name(format!("{stem}{}{extension}", role.suffix()))
}

fn check_length(path: PathBuf) -> Result<PathBuf, PathError> {
    let length = path.as_os_str().len();
    if length <= MAX_PATH {
        Ok(path)
    } else {
        Err(PathError::TooLong { path, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_socket_of_its_own() {
        let given = Path::new("/tmp/x/a.sock");
        assert_eq!(
            socket_path("vis", Role::Network, Some(given)).unwrap(),
            given
        );
        assert_eq!(
            socket_path("vis", Role::Operator, Some(given)).unwrap(),
            Path::new("/tmp/x/a-operator.sock")
        );
    }

    #[test]
    fn a_path_the_kernel_would_cut_is_refused() {
        let long = PathBuf::from(format!("/{}", "a".repeat(107)));
        assert!(matches!(
            socket_path("vis", Role::Network, Some(&long)),
            Err(PathError::TooLong { length: 108, .. })
        ));
    }
}
