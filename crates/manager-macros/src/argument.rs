//! `Argument`: a parameter of a method, as the caller has it and as the object gets it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::visit::{self, Visit};
use syn::{Error, Ident, Lifetime, Pat, PatType, Type, TypeImplTrait, TypeReference};

/// A parameter of a method.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// As it is declared, which is as the caller gives it.
    pub(crate) given: TokenStream,
    /// As it comes to the manager's process, which nobody lends anything.
    pub(crate) owned: TokenStream,
    /// Whether the method wants it by reference.
    pub(crate) is_lent: bool,
}

impl Argument {
    /// Reads the parameter that has that many before it; `object` is what `Self` means.
    pub(crate) fn read(typed: &PatType, before: usize, object: &Ident) -> syn::Result<Self> {
        if let Some(attribute) = typed.attrs.iter().find(|found| found.path().is_ident("cfg")) {
            let words =
                "a parameter of an object's method cannot depend on `cfg`: give the method one";
            return Err(Error::new_spanned(attribute, words));
        }
        let name = match &*typed.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            _ => format_ident!("argument_{}", before + 1),
        };
        let given = with_self(typed.ty.to_token_stream(), object);
        let Type::Reference(TypeReference { mutability, lifetime, elem, .. }) = &*typed.ty else {
            can_travel(&typed.ty, Place::Argument)?;
            return Ok(Self { name, owned: given.clone(), given, is_lent: false });
        };
        if mutability.is_some() {
            let words = "a caller in another process cannot lend what is to be changed: take it by value, and return it";
            return Err(Error::new_spanned(&typed.ty, words));
        }
        if let Some(lifetime) = lifetime {
            let words = "what a caller in another process lends lives as long as the call: leave the lifetime out";
            return Err(Error::new_spanned(lifetime, words));
        }
        let owned = match &**elem {
            Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
            Type::Slice(slice) => {
                can_travel(&slice.elem, Place::Argument)?;
                let item = with_self(slice.elem.to_token_stream(), object);
                quote!(::std::vec::Vec<#item>)
            }
            Type::TraitObject(_) => {
                let words = "a trait object cannot go to another process: name the type";
                return Err(Error::new_spanned(elem, words));
            }
            other => {
                can_travel(other, Place::Argument)?;
                with_self(other.to_token_stream(), object)
            }
        };
        Ok(Self { name, given, owned, is_lent: true })
    }
}

/// Where in a method a type stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Argument,
    Result,
}

/// Refuses types that cannot go from one process to another, as far as can be seen.
pub(crate) fn can_travel(found: &Type, place: Place) -> syn::Result<()> {
    let mut traveller = Traveller { place, refusal: None };
    traveller.visit_type(found);
    traveller.refusal.map_or(Ok(()), Err)
}

struct Traveller {
    place: Place,
    refusal: Option<Error>,
}

impl Traveller {
    fn refuse(&mut self, what: &dyn quote::ToTokens, words: &str) {
        // The first is enough.
        self.refusal.get_or_insert_with(|| Error::new_spanned(what, words));
    }
}

impl<'a> Visit<'a> for Traveller {
    fn visit_type_reference(&mut self, found: &'a TypeReference) {
        let words = match self.place {
            Place::Argument => {
                "a reference can only be a whole argument, as `&str`, `&[T]` or `&T`: take an owned value, like `String`"
            }
            Place::Result => {
                "a method cannot return a reference to a caller in another process: return an owned value, like `String`"
            }
        };
        self.refuse(found, words);
    }

    fn visit_type_impl_trait(&mut self, found: &'a TypeImplTrait) {
        let words = match self.place {
            Place::Argument => "`impl Trait` is not the same type in two processes: name the type",
            Place::Result => {
                "`impl Trait` is not the same type in two processes: name the type; an iterator can only be all that a method returns"
            }
        };
        self.refuse(found, words);
    }

    fn visit_lifetime(&mut self, found: &'a Lifetime) {
        if found.ident != "static" {
            self.refuse(found, "nothing is lent from one process to another: use an owned type");
        }
        visit::visit_lifetime(self, found);
    }
}

/// The tokens with another name for `Self`, which is another type where they go.
pub(crate) fn with_self(tokens: TokenStream, object: &Ident) -> TokenStream {
    use proc_macro2::{Group, TokenTree};
    let replaced = tokens.into_iter().map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "Self" => {
            TokenTree::Ident(Ident::new(&object.to_string(), ident.span()))
        }
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), with_self(group.stream(), object));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        other => other,
    });
    replaced.collect()
}
