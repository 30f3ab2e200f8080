mod budget;
mod codec;
mod controlled;
mod elements;
mod links;
mod requests;
mod sessions;
mod transport;
