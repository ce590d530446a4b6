//! Scenes over a table in a real database server, whichever it is: the table grows, and everything around it
//! goes wrong. What a server calls things is its [`speech::Speech`]; what only one kind of server knows
//! stands with its own tests.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary includes the whole module and uses a part of it"
)]

pub(crate) mod clocks;
pub(crate) mod faults;
pub(crate) mod followed;
pub(crate) mod killed;
pub(crate) mod speech;
pub(crate) mod table;
pub(crate) mod writers;

/// A test of each scene that is named, over one kind of server. Each module of scenes names its own in `play`.
macro_rules! played {
    ($scenes:ident, $engine:ty: $($scene:ident)*) => {
        $(#[test]
        fn $scene() {
            crate::served::$scenes::$scene::<$engine>();
        })*
    };
}
pub(crate) use played;

/// The same of scenes that take minutes.
macro_rules! played_for_long {
    ($scenes:ident, $engine:ty: $($scene:ident)*) => {
        $(#[test]
        #[ignore = "minutes; part of make torture"]
        fn $scene() {
            crate::served::$scenes::$scene::<$engine>();
        })*
    };
}
pub(crate) use played_for_long;
