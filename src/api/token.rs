//! Tokens: made here, shown once to a person, kept elsewhere as digests only.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use headroom_rules::input::Authority;
use sha2::{Digest, Sha256};

use crate::config::OperatorEntry;

/// Name of the file with the centre's own token, in the data folder.
const FILE: &str = "operator.token";
/// Name of the operator with that token.
const OPERATOR: &str = "operator";
/// Characters of a token that the centre makes: 256 bits in hexadecimal.
const TOKEN_LEN: usize = 64;

/// A new token: 256 random bits as 64 hexadecimal digits.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_token() -> io::Result<String> {
    let mut bytes = [0; TOKEN_LEN / 2];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// SHA-256 of a token's text as 64 hexadecimal digits: the `token_sha256` of serve.toml.
pub fn sha256_hex(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The token of a centre whose configuration names no operators.
#[derive(Clone)]
pub struct OwnToken {
    /// Where it is kept, for a console on the same machine.
    pub file: PathBuf,
    /// The token itself.
    pub token: String,
    /// Whether it was made just now.
    pub new: bool,
}

impl OwnToken {
    /// The operator that it belongs to.
    pub fn operator(&self) -> OperatorEntry {
        OperatorEntry {
            name: OPERATOR.into(),
            token_sha256: Sha256::digest(&self.token).into(),
            // Alone, and so for everything.
            authority: Authority { area: None, supervisor: true },
            area_line: None,
        }
    }
}

impl fmt::Debug for OwnToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnToken").field("file", &self.file).field("new", &self.new).finish_non_exhaustive()
    }
}

/// Reads the token in `operator.token` of `folder`, or makes both: readable by this user alone from its first instant.
///
/// # Errors
/// When the file cannot be read or made, others may read it, or it holds no token of the centre's making; the sentence
/// says what to do.
pub fn own_token(folder: &Path) -> io::Result<OwnToken> {
    let file = folder.join(FILE);
    let made = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(OwnToken { token: read(&file)?, file, new: false });
        }
        Err(error) => return Err(failed(&file, "the operator's token cannot be kept there", &error)),
    };
    match fill(made, folder) {
        Ok(token) => Ok(OwnToken { file, token, new: true }),
        Err(error) => {
            // A file without a token in it would stop the next start.
            remove_file(&file).ok();
            Err(failed(&file, "the operator's token cannot be kept there", &error))
        }
    }
}

fn fill(mut file: File, folder: &Path) -> io::Result<String> {
    let token = new_token()?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(token)
}

fn read(file: &Path) -> io::Result<String> {
    let unreadable = |error: io::Error| failed(file, "the operator's token cannot be read", &error);
    let open = File::open(file).map_err(unreadable)?;
    let mode = open.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let file = file.display();
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "{file}: others may use the operator's token (mode {mode:o}); delete the file to have a new token made, \
                 or run `chmod 600 {file}` if nobody read it"
            ),
        ));
    }
    let mut text = String::new();
    // Room for a line's end, and to see that there is too much.
    open.take(TOKEN_LEN as u64 + 8).read_to_string(&mut text).map_err(unreadable)?;
    let token = text.trim_end();
    if token.len() != TOKEN_LEN || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "{}: no token in it: wanted 64 hexadecimal digits; delete the file to have a new token made",
                file.display()
            ),
        ));
    }
    Ok(token.to_owned())
}

fn failed(file: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {what}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, metadata, read_to_string, set_permissions, write};

    use super::*;
    use crate::api::Operators;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-4, the example "abc".
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex("abc"), digest);
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
    }

    #[test]
    fn the_own_token_is_made_once_and_only_its_user_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = own_token(folder.path()).unwrap();
        assert!(made.new);
        assert_eq!(metadata(&made.file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_to_string(&made.file).unwrap(), format!("{}\n", made.token));
        let again = own_token(folder.path()).unwrap();
        assert!(!again.new);
        assert_eq!(again.token, made.token);
        let operators = Operators::new(&[again.operator()]);
        assert_eq!(operators.authenticate(&made.token).as_deref(), Some("operator"));
        assert!(!format!("{made:?}").contains(&made.token));
    }

    #[test]
    fn a_token_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let made = own_token(folder.path()).unwrap();
        set_permissions(&made.file, Permissions::from_mode(0o640)).unwrap();
        let error = own_token(folder.path()).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_file_without_a_token_is_named_and_its_text_is_not_shown() {
        for text in ["", "hunter2\n", &"ab".repeat(40)] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(FILE);
            write(&file, text).unwrap();
            set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let error = own_token(folder.path()).unwrap_err().to_string();
            assert!(error.contains("operator.token: no token in it"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = own_token(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/at/all/operator.token: "), "{error}");
    }
}
