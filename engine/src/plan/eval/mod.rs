//! shim
#![allow(missing_docs, unused)]
use super::expr::Expr;
use crate::model::*;
#[derive(Default)]
pub struct Evaluator;
impl Evaluator {
    pub fn eval(&mut self, e: &Expr, b: &mut Batch) -> Column {
        todo!()
    }
    pub fn filter(&mut self, e: &Expr, b: &Batch, s: &mut Vec<u32>) {
        todo!()
    }
}
pub fn eval_row(e: &Expr, v: &[Value]) -> Value {
    match e {
        Expr::Const(x) => x.clone(),
        Expr::Column(i) => v[*i as usize].clone(),
    }
}
