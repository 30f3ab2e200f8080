//! Who may connect: by address, by number, by certificate, by registration. No I/O but the reading of key files and of
//! lists of revoked certificates.
//!
//! Read [`guard`] (addresses and numbers), [`refusals`] (what is logged and counted of those turned away), [`tls`]
//! (IEC 62351-3), [`registration`] (stations that dial in).

pub mod guard;
pub mod refusals;
pub mod registration;
pub mod tls;
