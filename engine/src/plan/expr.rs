//! shim
#![allow(missing_docs)]
use crate::model::Value;
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expr {
    Const(Value),
    Column(u32),
}
impl std::hash::Hash for Expr {
    fn hash<H: std::hash::Hasher>(&self, h: &mut H) {
        0.hash(h)
    }
}
