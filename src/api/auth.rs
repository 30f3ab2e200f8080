//! Who may use the API.

use std::hint::black_box;
use std::sync::Arc;

use headroom_rules::input::Authority;
use sha2::{Digest, Sha256};

use crate::config::OperatorEntry;

/// The operators with the digests of their tokens. Cheap to clone.
#[derive(Clone)]
pub struct Operators(Arc<[Operator]>);

struct Operator {
    name: Arc<str>,
    authority: Arc<Authority>,
    digest: [u8; 32],
}

impl Operators {
    /// Those who may use the API; nobody may when there are none.
    pub fn new(entries: &[OperatorEntry]) -> Self {
        let operator = |entry: &OperatorEntry| Operator {
            name: Arc::from(entry.name.as_str()),
            authority: Arc::new(entry.authority.clone()),
            digest: entry.token_sha256,
        };
        Self(entries.iter().map(operator).collect())
    }

    /// The name of the operator with this token. Takes as long for a wrong token as for anybody's.
    pub fn authenticate(&self, token: &str) -> Option<Arc<str>> {
        self.person(token).map(|(name, _)| name)
    }

    /// As [`Self::authenticate`], with what the operator may decide about.
    pub(super) fn person(&self, token: &str) -> Option<(Arc<str>, Arc<Authority>)> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for operator in self.0.iter() {
            if equal(&digest, &operator.digest) {
                found = Some(operator);
            }
        }
        found.map(|operator| (Arc::clone(&operator.name), Arc::clone(&operator.authority)))
    }
}

impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|operator| &operator.name)).finish()
    }
}

/// Looks at every byte, wherever they differ.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    black_box(a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, token: &str) -> OperatorEntry {
        OperatorEntry {
            name: name.into(),
            token_sha256: Sha256::digest(token).into(),
            authority: Authority::default(),
            area_line: None,
        }
    }

    #[test]
    fn a_token_names_its_operator_and_no_other_token_does() {
        let operators = Operators::new(&[entry("wang", "aaaa"), entry("li", "bbbb")]);
        assert_eq!(operators.authenticate("aaaa").as_deref(), Some("wang"));
        assert_eq!(operators.authenticate("bbbb").as_deref(), Some("li"));
        for wrong in ["", "aaab", "aaaa ", "AAAA", "aaaabbbb", "wang"] {
            assert_eq!(operators.authenticate(wrong), None, "{wrong:?}");
        }
        assert_eq!(Operators::new(&[]).authenticate(""), None);
    }

    #[test]
    fn one_differing_bit_anywhere_counts() {
        let digest = [0x5A; 32];
        assert!(equal(&digest, &digest));
        for at in 0..256 {
            let mut other = digest;
            other[at / 8] ^= 1 << (at % 8);
            assert!(!equal(&digest, &other), "bit {at}");
        }
    }

    #[test]
    fn operators_in_a_log_line_are_names_only() {
        assert_eq!(format!("{:?}", Operators::new(&[entry("wang", "aaaa")])), r#"["wang"]"#);
    }
}
