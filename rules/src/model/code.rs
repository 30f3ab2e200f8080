//! Names of things in the supply tree, short enough to be copied like numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A short code of 1..=16 ASCII letters, digits, `-`, `_` and `.`; as `F03` or `T-0142`. Ordered as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; Code::LEN_MAX]);

/// Why a text is no [`Code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Empty, or longer than 16 characters.
    #[error("\"{0}\" has {len} characters: wanted 1 to 16", len = .0.chars().count())]
    Length(String),
    /// A character outside the set.
    #[error("\"{0}\" has the character {1:?}: wanted letters, digits, '-', '_' and '.' only")]
    Character(String, char),
}

impl Code {
    const LEN_MAX: usize = 16;

    /// All of the code in one number, ordered as the codes are.
    pub(crate) const fn bits(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(Self::LEN_MAX);
        self.0.get(..len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
            return Err(CodeError::Character(text.to_owned(), bad));
        }
        let mut bytes = [0; Self::LEN_MAX];
        match bytes.get_mut(..text.len()) {
            Some(room) if !room.is_empty() => room.copy_from_slice(text.as_bytes()),
            _ => return Err(CodeError::Length(text.to_owned())),
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Code;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a code of 1 to 16 letters, digits, '-', '_' or '.'")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Code, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Code);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// All of the id in one number, ordered as the ids are.
            #[allow(dead_code, reason = "not every kind of id is found in a table")]
            pub(crate) const fn code_bits(&self) -> u128 {
                self.0.bits()
            }
        }
        impl FromStr for $name {
            type Err = CodeError;
            fn from_str(text: &str) -> Result<Self, CodeError> {
                text.parse().map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A node of the supply tree: region, substation, feeder or transformer area.
    NodeId
}
id! {
    /// A customer.
    CustomerId
}
id! {
    /// A two-way load-monitoring terminal.
    TerminalId
}
id! {
    /// A kind of day in the calendar, as `workday`.
    DayKind
}
id! {
    /// A user's own rule, interlock or calculated point.
    RuleId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_its_text() {
        for text in ["F", "F03", "T-0142.a_b", "0123456789abcdef"] {
            assert_eq!(text.parse::<Code>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_code_too_long_or_with_foreign_characters_is_refused() {
        assert!(matches!("0123456789abcdefg".parse::<Code>(), Err(CodeError::Length(_))));
        assert!(matches!("".parse::<Code>(), Err(CodeError::Length(_))));
        assert!(matches!("F 3".parse::<Code>(), Err(CodeError::Character(_, ' '))));
        assert!(matches!("馈线".parse::<Code>(), Err(CodeError::Character(_, '馈'))));
    }

    #[test]
    fn codes_are_ordered_as_text() {
        let (a, b): (Code, Code) = ("F1".parse().unwrap(), "F10".parse().unwrap());
        assert!(a < b);
    }
}
