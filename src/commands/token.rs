//! `headroom token`: lets an operator in. The centre only keeps a token's SHA-256.

use std::io::Write as _;

use anyhow::Context as _;

use crate::api::{new_token, sha256_hex};
use crate::config;

/// The lines of a `serve.toml` that let the bearer of the token in, under a name that the audit log shows.
pub fn operator_lines(name: &str, token: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!("[[operator]]\nname = {name}\ntoken_sha256 = \"{}\"\n", sha256_hex(token))
}

/// `headroom token NAME`: makes a token and says it, once, with the lines for `serve.toml`.
///
/// # Errors
/// When the name does not hold as an operator's, or there is no randomness or no output.
pub fn run(name: &str) -> anyhow::Result<()> {
    let name = config::label(name)
        .with_context(|| format!("NAME = {name:?}: wanted the operator's name, {}", config::LABEL_WANTED))?;
    let token = new_token().context("the operating system gives no random bytes, so no token can be made")?;
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
    use std::path::Path;

    use super::*;
    use crate::api::Operators;

    #[test]
    fn an_operators_lines_parse_to_the_name_and_the_tokens_digest() {
        for name in ["li.wei", "Li \"the\\ cap\" Wei", "李伟", "[[operator]]"] {
            let serve = config::ServeConfig::parse(Path::new("serve.toml"), &operator_lines(name, "abc")).unwrap();
            assert_eq!(serve.operators.len(), 1);
            let operators = Operators::new(&serve.operators);
            assert_eq!(operators.authenticate("abc").as_deref(), Some(name));
            assert_eq!(operators.authenticate("abd"), None);
        }
    }
}
