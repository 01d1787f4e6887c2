//! The code that an object gets: its `Object` implementation, and the type of its proxies.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;

use crate::argument::Argument;
use crate::object::{Method, Object};
use crate::returned::Returned;

/// All that an object gets.
pub(crate) fn object(object: &Object) -> TokenStream {
    let (implementation, proxy) = (implementation(object), proxy(object));
    quote!(#implementation #proxy)
}

/// The manager's side.
fn implementation(object: &Object) -> TokenStream {
    let Object { ident, name, home, new, methods, .. } = object;
    let (names, types, used) = in_manager(&new.arguments);
    let added = methods.iter().map(|method| {
        let Method { conditions, ident, arguments, returned, .. } = method;
        let name = ident.unraw().to_string();
        let (names, types, used) = in_manager(arguments);
        let add = match returned {
            Returned::Value(_) => quote! {
                methods.add(#name, |object: &mut Self, #names: #types| Self::#ident(object, #(#used),*));
            },
            // What cannot stay in the manager is an error where the method says what it returns.
            Returned::Items { item, span } => quote_spanned! {*span=>
                methods.add_iterator(
                    #name,
                    |object: &mut Self, #names: #types|
                        -> ::std::boxed::Box<dyn ::core::iter::Iterator<Item = #item> + ::core::marker::Send>
                    { ::std::boxed::Box::new(Self::#ident(object, #(#used),*)) },
                );
            },
        };
        quote!(#(#conditions)* #add)
    });
    let methods = if methods.is_empty() { quote!(_) } else { quote!(methods) };
    quote! {
        #[automatically_derived]
        impl #home::Object for #ident {
            const NAME: &'static str = #name;
            type Init = #types;

            fn make(#names: Self::Init) -> Self {
                Self::new(#(#used),*)
            }

            fn methods(#methods: &mut #home::Methods<Self>) {
                #(#added)*
            }
        }
    }
}

/// The argument of a call as a pattern, its type, and its parts as the method wants them.
fn in_manager(arguments: &[Argument]) -> (TokenStream, TokenStream, Vec<TokenStream>) {
    let names = (1..).zip(arguments).map(|(at, _)| format_ident!("argument_{at}"));
    let names: Vec<_> = names.collect();
    let types = arguments.iter().map(|argument| &argument.owned);
    let used = arguments
        .iter()
        .zip(&names)
        .map(|(argument, name)| if argument.is_lent { quote!(&#name) } else { quote!(#name) });
    (as_one(&names), as_one(types), used.collect())
}

/// One thing is itself, and several are a tuple.
fn as_one(parts: impl IntoIterator<Item: quote::ToTokens>) -> TokenStream {
    let parts: Vec<_> = parts.into_iter().collect();
    match parts.as_slice() {
        [one] => quote!(#one),
        several => quote!((#(#several),*)),
    }
}

/// The callers' side.
fn proxy(object: &Object) -> TokenStream {
    let Object { ident, proxy, home, new, methods, .. } = object;
    let visibility = &new.visibility;
    let docs = format!(
        " A proxy of a [`{ident}`] that lives in a manager.\n\n\
         Its methods are those of the type. Each is a call, and returns when it is done."
    );
    let new_in = new_in(object);
    let methods = methods.iter().map(|method| call(method, home));
    quote! {
        #[doc = #docs]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(dead_code, reason = "not every program uses all of it")]
        #visibility struct #proxy(#home::Remote<#ident>);

        #[allow(dead_code, reason = "not every program uses all of it")]
        impl #proxy {
            #new_in
            #(#methods)*
        }

        #[automatically_derived]
        impl ::core::convert::From<#home::Remote<#ident>> for #proxy {
            fn from(remote: #home::Remote<#ident>) -> Self {
                Self(remote)
            }
        }

        #[automatically_derived]
        impl #home::__private::Inner for #proxy {
            fn label() -> ::std::string::String {
                <#home::Remote<#ident> as #home::__private::Inner>::label()
            }

            fn over(handle: ::std::sync::Arc<#home::__private::Handle>) -> Self {
                Self(#home::__private::Inner::over(handle))
            }

            fn handle(&self) -> &::std::sync::Arc<#home::__private::Handle> {
                #home::__private::Inner::handle(&self.0)
            }
        }

        #[automatically_derived]
        impl #home::__private::serde::Serialize for #proxy {
            fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
            where
                S: #home::__private::serde::Serializer,
            {
                #home::__private::serde::Serialize::serialize(&self.0, serializer)
            }
        }

        #[automatically_derived]
        impl<'de> #home::__private::serde::Deserialize<'de> for #proxy {
            fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
            where
                D: #home::__private::serde::Deserializer<'de>,
            {
                #home::__private::serde::Deserialize::deserialize(deserializer).map(Self)
            }
        }
    }
}

/// The parameters of a call, and what is sent.
fn by_caller(arguments: &[Argument]) -> (Vec<TokenStream>, Vec<&syn::Ident>) {
    let parameters = arguments.iter().map(|Argument { name, given, .. }| quote!(#name: #given));
    (parameters.collect(), arguments.iter().map(|argument| &argument.name).collect())
}

/// Makes an object and its proxy.
fn new_in(object: &Object) -> TokenStream {
    let Object { ident, home, new: Method { attributes, visibility, arguments, .. }, .. } = object;
    let (parameters, _) = by_caller(arguments);
    let parts = arguments.iter().map(|Argument { name, is_lent, .. }| {
        if *is_lent { quote!(::std::borrow::ToOwned::to_owned(#name)) } else { quote!(#name) }
    });
    let init = as_one(parts);
    let manager = quote::format_ident!("manager", span = proc_macro2::Span::mixed_site());
    let begin =
        format!(" Makes a [`{ident}`] in a manager, which has to be told of the type before.\n\n");
    let errors = errors_docs(home);
    quote! {
        #[doc = #begin]
        #(#attributes)*
        #[doc = #errors]
        #visibility fn new_in(
            #manager: &#home::Manager, #(#parameters),*
        ) -> ::core::result::Result<Self, #home::Error> {
            #manager.create::<#ident>(#init).map(Self)
        }
    }
}

/// A method of the proxy.
fn call(method: &Method, home: &syn::Path) -> TokenStream {
    let Method { attributes, visibility, ident, arguments, returned, .. } = method;
    let name = ident.unraw().to_string();
    let (parameters, names) = by_caller(arguments);
    let sent = as_one(names);
    let errors = errors_docs(home);
    let (returned, way) = match returned {
        Returned::Value(value) => (quote!(#value), quote!(call)),
        Returned::Items { item, .. } => (quote!(#home::RemoteIter<#item>), quote!(iterate)),
    };
    quote! {
        #(#attributes)*
        #[doc = #errors]
        #visibility fn #ident(
            &self, #(#parameters),*
        ) -> ::core::result::Result<#returned, #home::Error> {
            self.0.#way(#name, &#sent)
        }
    }
}

fn errors_docs(home: &syn::Path) -> String {
    let home = quote!(#home).to_string().replace(' ', "");
    format!("\n\n # Errors\n\n [`Error`]({home}::Error) says why there is no answer.")
}
