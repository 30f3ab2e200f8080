//! What stands behind the `?` of an address.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::answer::Fault;

/// Parameters, each known and given once.
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn parse(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, Fault> {
        let mut params = BTreeMap::new();
        for (key, value) in pairs {
            if !known.contains(&key.as_str()) {
                let wanted = if known.is_empty() { "none".to_owned() } else { known.join(" and ") };
                return Err(Fault::bad_request(format!("unknown parameter \"{key}\": wanted {wanted}")));
            }
            if params.contains_key(&key) {
                return Err(Fault::bad_request(format!("parameter \"{key}\" is given twice")));
            }
            params.insert(key, value);
        }
        Ok(Self(params))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn number<T>(&self, key: &str, default: T, range: &RangeInclusive<T>) -> Result<T, Fault>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.0.get(key) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            Fault::bad_request(format!("{key} = \"{text}\": wanted a whole number, {low} to {high}"))
        })
    }
}
