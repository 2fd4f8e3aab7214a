//! The Lua API as scripts and the engine see it, driven without sockets.

mod checks;
mod errors;
mod loading;
mod replies;
mod requests;
mod sandbox;
mod scale;
mod users;
mod world;
