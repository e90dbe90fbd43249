//! Tests of the driver as a whole.

mod abandoned_clients;
