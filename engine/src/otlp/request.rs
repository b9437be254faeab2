//! Items as one request again: grouped by resource and scope.
//!
//! Invariant: groups stand in the order of their first items, and items in their own order.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::wire::Message;
use crate::model::ItemContent;

/// What items of one resource, or one scope, have in common: the message and its schema.
pub(crate) type Head<'a> = (&'a [u8], &'a [u8]);

/// The items of a scope.
pub(crate) type Scoped<'a> = (Head<'a>, Vec<&'a ItemContent>);

/// Items by resource, then by scope.
pub(crate) struct Grouped<'a> {
    pub(crate) resources: Vec<(Head<'a>, Vec<Scoped<'a>>)>,
}

impl<'a> Grouped<'a> {
    pub(crate) fn new(items: &[&'a ItemContent]) -> Self {
        let (mut at, mut at_scope) = (BTreeMap::new(), BTreeMap::new());
        let mut resources: Vec<(Head<'a>, Vec<Scoped<'a>>)> = Vec::new();
        for item in items {
            let around = &*item.around;
            let resource: Head<'a> = (&around.resource, &around.resource_schema_url);
            let scope: Head<'a> = (&around.scope, &around.scope_schema_url);
            let index = *at.entry(resource).or_insert_with(|| {
                resources.push((resource, Vec::new()));
                resources.len() - 1
            });
            let scopes = &mut resources[index].1;
            let within = *at_scope.entry((index, scope)).or_insert_with(|| {
                scopes.push((scope, Vec::new()));
                scopes.len() - 1
            });
            scopes[within].1.push(*item);
        }
        Self { resources }
    }
}

fn with_head(message: &mut Message, head: &[u8]) {
    if !head.is_empty() {
        message.delimited(1, head);
    }
}

fn with_schema(message: &mut Message, url: &[u8]) {
    if !url.is_empty() {
        message.delimited(3, url);
    }
}

/// Items of one signal as a request in protobuf. The numbers of the fields are the same in all
/// three.
pub(crate) fn request(items: &[&ItemContent]) -> Bytes {
    let mut request = Message::default();
    for ((resource, resource_schema), scopes) in Grouped::new(items).resources {
        let mut of_resource = Message::default();
        with_head(&mut of_resource, resource);
        for ((scope, scope_schema), items) in scopes {
            let mut of_scope = Message::default();
            with_head(&mut of_scope, scope);
            items.iter().for_each(|item| of_scope.pieces(2, &[&item.item, &item.append]));
            with_schema(&mut of_scope, scope_schema);
            of_resource.message(2, &of_scope);
        }
        with_schema(&mut of_resource, resource_schema);
        request.message(1, &of_resource);
    }
    request.finish()
}
