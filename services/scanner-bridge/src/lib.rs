//! scanner-bridge
