//! `Returned`: what a method returns, as its callers get it.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{
    AssocType, Error, GenericArgument, Ident, PathArguments, ReturnType, TraitBound, Type,
    TypeParamBound,
};

use crate::argument::{Place, can_travel, with_self};

/// What a method returns.
pub(crate) enum Returned {
    /// A value of this type, which goes to the caller.
    Value(TokenStream),
    /// An iterator, which stays in the manager; its items, of this type, go to the caller.
    Items {
        item: TokenStream,
        /// Where the method says so.
        span: Span,
    },
}

impl Returned {
    /// Reads what a method returns; `object` is what `Self` means.
    pub(crate) fn read(output: &ReturnType, object: &Ident) -> syn::Result<Self> {
        let ReturnType::Type(_, returned) = output else {
            return Ok(Self::Value(quote::quote!(())));
        };
        if let Some(item) = item_of(returned)? {
            can_travel(item, Place::Result)?;
            let item = with_self(item.to_token_stream(), object);
            return Ok(Self::Items { item, span: returned.span() });
        }
        can_travel(returned, Place::Result)?;
        Ok(Self::Value(with_self(returned.to_token_stream(), object)))
    }
}

/// What the items are of a type that is an iterator, as far as can be seen: `impl Iterator<…>` or a box of
/// `dyn Iterator<…>`.
fn item_of(returned: &Type) -> syn::Result<Option<&Type>> {
    let (bounds, is_boxed) = match returned {
        Type::ImplTrait(found) => (&found.bounds, false),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last().filter(|last| last.ident == "Box") else {
                return Ok(None);
            };
            let PathArguments::AngleBracketed(inside) = &last.arguments else { return Ok(None) };
            let Some(GenericArgument::Type(Type::TraitObject(found))) = inside.args.first() else {
                return Ok(None);
            };
            (&found.bounds, true)
        }
        _ => return Ok(None),
    };
    let Some(iterator) = bounds.iter().find_map(iterator) else { return Ok(None) };
    // A box has nothing borrowed if it says nothing of it.
    let mut is_own = is_boxed;
    for bound in bounds {
        match bound {
            TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static" => is_own = true,
            TypeParamBound::PreciseCapture(capture) if capture.params.is_empty() => is_own = true,
            TypeParamBound::Lifetime(_) | TypeParamBound::PreciseCapture(_) => {
                return Err(Error::new_spanned(bound, BORROWS));
            }
            _ => {}
        }
    }
    if !is_own {
        return Err(Error::new_spanned(returned, BORROWS));
    }
    match item(iterator) {
        Some(item) => Ok(Some(item)),
        None => {
            let words = "callers have to know what the items are: write `Iterator<Item = T>`";
            Err(Error::new_spanned(iterator, words))
        }
    }
}

const BORROWS: &str = "the iterator stays in the manager when the method has returned, so it cannot borrow from the object: return one that owns what it needs, as `impl Iterator<Item = T> + 'static`";

/// The bound that says that it is an iterator.
fn iterator(bound: &TypeParamBound) -> Option<&TraitBound> {
    let TypeParamBound::Trait(found) = bound else { return None };
    found.path.segments.last().filter(|last| last.ident == "Iterator").map(|_| found)
}

/// What is behind `Item =`.
fn item(iterator: &TraitBound) -> Option<&Type> {
    let PathArguments::AngleBracketed(inside) = &iterator.path.segments.last()?.arguments else {
        return None;
    };
    inside.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. }) if ident == "Item" => Some(ty),
        _ => None,
    })
}
