//! The centre: configuration and HTTP API.

pub mod config;
