//! Operators' tokens: 32 random bytes as hexadecimal digits. The centre only keeps their SHA-256.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::config;

/// A new token's text, 64 hexadecimal digits.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn make() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// What the centre keeps of a token, by its text.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The lines of a `serve.toml` that let the bearer of the token in, under a name that the audit log shows.
pub fn operator_lines(name: &str, token: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!("[[operator]]\nname = {name}\ntoken_sha256 = \"{}\"\n", hex(&digest(token)))
}

/// `headroom token NAME`: makes a token and says it, once, with the lines for `serve.toml`.
///
/// # Errors
/// When the name does not hold as an operator's, or there is no randomness or no output.
pub fn run(name: &str) -> anyhow::Result<()> {
    let name = config::label(name)
        .with_context(|| format!("NAME = {name:?}: wanted the operator's name, {}", config::LABEL_WANTED))?;
    let token = make().context("the operating system gives no random bytes, so no token can be made")?;
    let text = format!(
        "# The token of {name}, shown this once: for `headroom console` as HEADROOM_TOKEN or in a --token-file.\n\
         {token}\n\n\
         # The lines for serve.toml, which do not give it away:\n{}",
        operator_lines(name, &token)
    );
    std::io::stdout().lock().write_all(text.as_bytes()).context("the token cannot be written, so it is void")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_digest_is_the_sha_256_of_the_text() {
        // FIPS 180-2, B.1.
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest("abc")), wanted);
    }

    #[test]
    fn every_token_is_another_of_64_digits() {
        let (one, two) = (make().unwrap(), make().unwrap());
        assert_ne!(one, two);
        assert!(one.len() == 64 && one.chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn an_operators_lines_parse_to_the_name_and_the_tokens_digest() {
        for name in ["li.wei", "Li \"the\\ cap\" Wei", "李伟", "[[operator]]"] {
            let serve = config::ServeConfig::parse(Path::new("serve.toml"), &operator_lines(name, "abc")).unwrap();
            assert_eq!(serve.operators.len(), 1);
            assert_eq!((serve.operators[0].name.as_str(), serve.operators[0].token_sha256), (name, digest("abc")));
        }
    }
}
