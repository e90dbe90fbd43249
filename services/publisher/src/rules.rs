//! What the publisher decides, without knowing how facts arrive or are written: [`announce`].

pub mod announce;
