mod budget;
mod codec;
mod controlled;
mod elements;
mod files;
mod links;
mod requests;
mod sessions;
