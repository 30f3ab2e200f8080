//! `headroom token`: lets an operator in. The centre only keeps a token's SHA-256.

use std::io::Write as _;

use anyhow::Context as _;
use headroom_rules::input::Authority;

use crate::api::{new_token, sha256_hex};
use crate::config;

/// The lines of a `serve.toml` that let the bearer of the token in, under a name that the audit log shows.
pub fn operator_lines(name: &str, token: &str, authority: &Authority) -> String {
    let name = toml::Value::String(name.to_owned());
    let mut lines = format!("[[operator]]\nname = {name}\ntoken_sha256 = \"{}\"\n", sha256_hex(token));
    if let Some(area) = &authority.area {
        let area: Vec<String> = area.iter().map(|node| format!("\"{node}\"")).collect();
        lines.push_str(&format!("area = [{}]\n", area.join(", ")));
    }
    if authority.supervisor {
        lines.push_str("supervisor = true\n");
    }
    lines
}

/// `headroom token NAME`: makes a token and says it, once, with the lines for `serve.toml`; `authority` goes into them.
///
/// # Errors
/// When the name does not hold as an operator's, or there is no randomness or no output.
pub fn run(name: &str, authority: &Authority) -> anyhow::Result<()> {
    let name = config::label(name)
        .with_context(|| format!("NAME = {name:?}: wanted the operator's name, {}", config::LABEL_WANTED))?;
    let token = new_token().context("the operating system gives no random bytes, so no token can be made")?;
    let text = format!(
        "# The token of {name}, shown this once: for `headroom console` as HEADROOM_TOKEN or in a --token-file.\n\
         {token}\n\n\
         # The lines for serve.toml, which do not give it away:\n{}",
        operator_lines(name, &token, authority)
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
        for (nth, name) in ["li.wei", "Li \"the\\ cap\" Wei", "李伟", "[[operator]]"].into_iter().enumerate() {
            let area = (nth % 2 == 1).then(|| vec!["F01".parse().unwrap(), "A-7".parse().unwrap()]);
            let authority = Authority { area, supervisor: nth > 1 };
            let lines = operator_lines(name, "abc", &authority);
            let serve = config::ServeConfig::parse(Path::new("serve.toml"), &lines).unwrap();
            assert_eq!(serve.operators.len(), 1);
            assert_eq!(serve.operators[0].authority, authority);
            let operators = Operators::new(&serve.operators);
            assert_eq!(operators.authenticate("abc").as_deref(), Some(name));
            assert_eq!(operators.authenticate("abd"), None);
        }
    }
}
