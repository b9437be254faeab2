//! What to compute, as plain data.
