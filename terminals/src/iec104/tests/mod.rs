mod budget;
mod codec;
mod elements;
mod links;
mod requests;
mod sessions;
