//! `#[manager::object]`: makes a type an object of a manager, and the type of its proxies.
//!
//! The docs stand where the attribute is used from: in the crate `manager`.
//!
//! An `impl` block is read once (`object`), with everything refused that cannot go from one process to
//! another; then the `Object` implementation and the proxy are written from what was read (`write`).

mod argument;
mod object;
mod options;
mod returned;
mod write;

use proc_macro::TokenStream;
use syn::{ItemImpl, Path, parse_macro_input, parse_quote};

use object::Object;
use options::Options;

/// Makes a type an object of a manager, by an `impl` block of it.
#[proc_macro_attribute]
pub fn object(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(options, item, parse_quote!(::manager))
}

/// Makes a type an object of a manager, for a program that has the manager from the crate `multiproc`.
#[proc_macro_attribute]
pub fn object_of_multiproc(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(options, item, parse_quote!(::multiproc::manager))
}

fn expand(options: TokenStream, item: TokenStream, home: Path) -> TokenStream {
    let options = parse_macro_input!(options as Options);
    let block = parse_macro_input!(item as ItemImpl);
    let written = Object::read(&block, options, home).map(|object| write::object(&object));
    // The block stays as it is, so that an error here causes no others.
    let written = written.unwrap_or_else(syn::Error::into_compile_error);
    quote::quote!(#block #written).into()
}
