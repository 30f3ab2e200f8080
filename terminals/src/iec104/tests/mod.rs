mod codec;
mod links;
mod sessions;
