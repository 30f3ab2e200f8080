//! The rule packs that ship.

/// A pack that ships, by its name: `headroom` or `supply-quality`; the text of a TOML file as users write their own.
pub fn standard_pack(name: &str) -> Option<&'static str> {
    match name {
        "headroom" => Some(include_str!("../../packs/headroom.toml")),
        "supply-quality" => Some(include_str!("../../packs/supply-quality.toml")),
        _ => None,
    }
}
