//! `#[derive(Row)]`: a table from a struct.
//!
//! `#[row(table = "jobs", index(queue, status))]` names the table and its further indexes; `#[row(key)]` marks the
//! fields of the key, which stand first. The kind of a column follows from the type of its field.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Token, punctuated::Punctuated, spanned::Spanned};

/// Derives `schemas::Row`.
#[proc_macro_derive(Row, attributes(row))]
pub fn row(input: TokenStream) -> TokenStream {
    syn::parse(input).and_then(expand).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: DeriveInput) -> Result<proc_macro2::TokenStream, Error> {
    let Data::Struct(data) = &input.data else { return Err(Error::new(input.span(), "Row derives for a struct")) };
    let Fields::Named(fields) = &data.fields else { return Err(Error::new(input.span(), "the fields of a Row have names")) };
    let (table, indexes) = table(&input)?;
    let mut keys = Vec::new();
    for (place, field) in fields.named.iter().enumerate() {
        if is_key(field)? {
            if keys.len() != place {
                return Err(Error::new(field.span(), "the fields of the key come first"));
            }
            keys.push(field);
        }
    }
    if keys.is_empty() {
        return Err(Error::new(input.span(), "mark the fields of the key with #[row(key)]"));
    }
    if let Some(field) = fields.named.iter().find(|f| f.ident.as_ref().is_some_and(|i| i == "tenant")) {
        return Err(Error::new(field.span(), "the host adds the column tenant; leave the field away"));
    }
    let name = &input.ident;
    let idents: Vec<_> = fields.named.iter().filter_map(|f| f.ident.as_ref()).collect();
    let types: Vec<_> = fields.named.iter().map(|f| &f.ty).collect();
    for (column, span) in indexes.iter().flatten().map(|c| (c.to_string(), c.span())) {
        if !idents.iter().any(|i| **i == column) {
            return Err(Error::new(span, format!("no field is called {column}")));
        }
    }
    let names: Vec<_> = idents.iter().map(|i| i.to_string()).collect();
    let indexes = indexes.iter().map(|index| {
        let columns = index.iter().map(Ident::to_string);
        quote!(&[#(#columns),*])
    });
    let key_idents: Vec<_> = keys.iter().filter_map(|f| f.ident.as_ref()).collect();
    let key_types: Vec<_> = keys.iter().map(|f| &f.ty).collect();
    let key_count = keys.len();
    let (key_type, key_of, key_values) = match (&key_idents[..], &key_types[..]) {
        ([ident], [ty]) => {
            (quote!(#ty), quote!(self.#ident.clone()), quote!(vec![::schemas::row::ColumnType::into_value(key.clone())]))
        }
        _ => {
            let places = (0..key_count).map(syn::Index::from);
            (
                quote!((#(#key_types),*)),
                quote!((#(self.#key_idents.clone()),*)),
                quote!(vec![#(::schemas::row::ColumnType::into_value(key.#places.clone())),*]),
            )
        }
    };
    let unfit: Vec<_> =
        key_idents.iter().map(|i| format!("the key field {i} is a String, i64, bool or Time, and not optional")).collect();
    Ok(quote! {
        #(const _: () = assert!(
            !<#key_types as ::schemas::row::ColumnType>::NULLABLE
                && matches!(
                    <#key_types as ::schemas::row::ColumnType>::KIND,
                    ::schemas::row::Kind::Text | ::schemas::row::Kind::I64 | ::schemas::row::Kind::Bool | ::schemas::row::Kind::Time
                ),
            #unfit
        );)*
        impl ::schemas::Row for #name {
            type Key = #key_type;
            const TABLE: ::schemas::row::Table = ::schemas::row::Table {
                name: #table,
                columns: &[#(::schemas::row::Column {
                    name: #names,
                    kind: <#types as ::schemas::row::ColumnType>::KIND,
                    nullable: <#types as ::schemas::row::ColumnType>::NULLABLE,
                }),*],
                key: #key_count,
                indexes: &[#(#indexes),*],
            };
            fn key(&self) -> Self::Key { #key_of }
            fn key_values(key: &Self::Key) -> Vec<::schemas::row::Value> { #key_values }
            fn into_values(self) -> Vec<::schemas::row::Value> {
                vec![#(::schemas::row::ColumnType::into_value(self.#idents)),*]
            }
            fn from_values(values: Vec<::schemas::row::Value>) -> Result<Self, ::schemas::row::RowError> {
                let mut values = values.into_iter();
                Ok(Self {
                    #(#idents: values
                        .next()
                        .and_then(::schemas::row::ColumnType::from_value)
                        .ok_or(::schemas::row::RowError { table: #table, column: #names })?),*
                })
            }
        }
    })
}

fn table(input: &DeriveInput) -> Result<(String, Vec<Vec<Ident>>), Error> {
    let mut table = None;
    let mut indexes = Vec::new();
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("table") {
                table = Some(meta.value()?.parse::<LitStr>()?.value());
                Ok(())
            } else if meta.path.is_ident("index") {
                let list;
                syn::parenthesized!(list in meta.input);
                indexes.push(Punctuated::<Ident, Token![,]>::parse_terminated(&list)?.into_iter().collect());
                Ok(())
            } else {
                Err(meta.error("expected table = \"..\" or index(..)"))
            }
        })?;
    }
    let table = table.ok_or_else(|| Error::new(input.span(), "name the table: #[row(table = \"..\")]"))?;
    Ok((table, indexes))
}

fn is_key(field: &syn::Field) -> Result<bool, Error> {
    let mut key = false;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            key = meta.path.is_ident("key");
            if key { Ok(()) } else { Err(meta.error("expected key")) }
        })?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::expand;
    use syn::{DeriveInput, parse_quote};

    fn refused(input: DeriveInput, words: &str) {
        let said = expand(input).map(|_| String::new()).unwrap_or_else(|error| error.to_string());
        assert_eq!(said, words);
    }

    #[test]
    fn a_row_that_is_no_table_says_why() {
        refused(
            parse_quote!(
                #[row(table = "t")]
                struct R {
                    #[row(key)]
                    id: String,
                    tenant: String,
                }
            ),
            "the host adds the column tenant; leave the field away",
        );
        refused(
            parse_quote!(
                #[row(table = "t")]
                struct R {
                    id: String,
                }
            ),
            "mark the fields of the key with #[row(key)]",
        );
        refused(
            parse_quote!(
                #[row(table = "t")]
                struct R {
                    a: i64,
                    #[row(key)]
                    id: String,
                }
            ),
            "the fields of the key come first",
        );
        refused(
            parse_quote!(
                #[row(table = "t", index(b))]
                struct R {
                    #[row(key)]
                    id: String,
                }
            ),
            "no field is called b",
        );
        refused(
            parse_quote!(
                struct R {
                    #[row(key)]
                    id: String,
                }
            ),
            "name the table: #[row(table = \"..\")]",
        );
        refused(
            parse_quote!(
                #[row(table = "t")]
                struct R {
                    #[row(kee)]
                    id: String,
                }
            ),
            "expected key",
        );
        refused(
            parse_quote!(
                #[row(table = "t")]
                struct R(String);
            ),
            "the fields of a Row have names",
        );
        refused(
            parse_quote!(
                #[row(table = "t")]
                enum R {}
            ),
            "Row derives for a struct",
        );
    }
}
