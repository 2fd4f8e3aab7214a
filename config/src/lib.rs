//! Profiles: TOML text to a validated [`Plan`].
//!
//! A profile says what to run, against which target and under which load; [`profile`] is its
//! reference. Reading one yields either a plan without illegal states, so that nothing has to check
//! it again, or all problems of the file at once, each with line and column.
//!
//! This crate is pure: it reads the profile, checks that the files it names exist, and knows
//! nothing of sockets, Lua, clocks or the other crates.

mod curve;
mod document;
mod error;
mod expansion;
mod load_control;
mod nearest;
mod origin;
mod overrides;
mod plan;
pub mod profile;
mod proxy;
pub mod random;
mod redactor;
mod scale;
mod transport;
mod units;
mod variables;
mod web;

pub use curve::{Curve, Segment};
pub use error::{Errors, Problem};
pub use load_control::{Change, ControlledLoad};
pub use nearest::nearest;
pub use origin::{Origin, Scheme};
pub use overrides::Override;
pub use plan::{Arrivals, AtEnd, Cores, Data, Format, Limits, Load, Model, Order, Plan};
pub use plan::{ScriptText, StatsSink, Target, Weighted};
pub use profile::{FailOnRules, RateFunction, RateFunctions, ReadOptions, load};
pub use profile::{parse, parse_duration, parse_rate};
pub use proxy::{Bypass, Proxies, Proxy, ProxyCredentials, ProxyScheme};
pub use redactor::Redactor;
pub use transport::{
    AddressPolicy, Close, Connections, Password, PhaseTimeouts, Pool, Ports, ReconnectPolicy,
    Resume, Tls, TlsIdentity, TlsVersions,
};
pub use variables::{TextPart, VariableSource, Variables};
pub use web::Web;
