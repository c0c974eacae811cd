//! A gateway on your machine.
