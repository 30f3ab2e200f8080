mod budget;
mod codec;
mod links;
mod sessions;
