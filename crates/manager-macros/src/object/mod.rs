//! `Object`: what an `impl` block says of a type, as far as a manager is concerned.

use quote::{ToTokens as _, format_ident};
use syn::ext::IdentExt as _;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Path, ReturnType,
    Signature, Type, Visibility,
};

use crate::argument::Argument;
use crate::options::Options;
use crate::returned::Returned;

/// A type, and what can be done with its objects.
pub(crate) struct Object {
    /// The type.
    pub(crate) ident: Ident,
    /// What it is called by those who make objects.
    pub(crate) name: LitStr,
    pub(crate) proxy: Ident,
    /// Where the crate `manager` is.
    pub(crate) home: Path,
    pub(crate) new: Method,
    pub(crate) methods: Vec<Method>,
}

/// A method, or `new`.
pub(crate) struct Method {
    /// What the proxy's method has too: docs and the like.
    pub(crate) attributes: Vec<Attribute>,
    /// Those among them that say whether it is there at all.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returned: Returned,
}

/// The values that go as one, which serde has tuples for.
const MOST_ARGUMENTS: usize = 16;

/// What the proxy has of its own.
const OWN: &str = "new_in";

impl Object {
    pub(crate) fn read(block: &ItemImpl, options: Options, home: Path) -> syn::Result<Self> {
        if let Some((_, path, _)) = &block.trait_ {
            let words = "only the type's own methods can be called from other processes: put the attribute on `impl` of the type alone";
            return Err(Error::new_spanned(path, words));
        }
        if !block.generics.params.is_empty() {
            let words = "a manager has to know an object's type when it starts, so it cannot be generic: wrap the type that is meant, as in `struct Words(Table<String>)`";
            return Err(Error::new_spanned(&block.generics, words));
        }
        let ident = type_name(&block.self_ty)?;
        let Options { name, proxy, home: said } = options;
        let mut new = None;
        let mut methods = Vec::new();
        let mut errors = Errors::default();
        for item in &block.items {
            let ImplItem::Fn(function) = item else { continue };
            if matches!(function.vis, Visibility::Inherited) {
                continue;
            }
            if function.sig.receiver().is_some() {
                methods.extend(errors.keep(Method::read(function, &ident)));
            } else if function.sig.ident == "new" {
                new = errors.keep(Method::read_new(function, &ident));
            }
        }
        errors.into_result()?;
        let new = new.ok_or_else(|| {
            let words = "the manager makes objects with `pub fn new(…) -> Self`, which is missing";
            Error::new_spanned(&block.self_ty, words)
        })?;
        Ok(Self {
            name: name.unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span())),
            proxy: proxy.unwrap_or_else(|| format_ident!("{}Proxy", ident.unraw())),
            home: said.unwrap_or(home),
            ident,
            new,
            methods,
        })
    }
}

/// The name of a type that is nothing but that.
fn type_name(found: &Type) -> syn::Result<Ident> {
    if let Type::Path(path) = found
        && let Some(ident) = path.path.get_ident()
    {
        return Ok(ident.clone());
    }
    let words = "the proxy is named after the type, which has to be a name without path or parameters: wrap the type that is meant, as in `struct Words(Table<String>)`";
    Err(Error::new_spanned(found, words))
}

impl Method {
    fn read(function: &ImplItemFn, object: &Ident) -> syn::Result<Self> {
        let signature = &function.sig;
        can_be_called(signature)?;
        if signature.ident == OWN {
            let words = "the proxy has a `new_in` of its own, which makes an object: give the method another name, or make it private";
            return Err(Error::new_spanned(&signature.ident, words));
        }
        if let Some(receiver) = signature.receiver()
            && (receiver.reference.is_none() || receiver.colon_token.is_some())
        {
            let words = "the object stays in the manager, so a method has to take `&self` or `&mut self`; a private one may take what it likes";
            return Err(Error::new_spanned(receiver, words));
        }
        let returned = Returned::read(&signature.output, object)?;
        Self::with_returned(function, returned, object)
    }

    fn read_new(function: &ImplItemFn, object: &Ident) -> syn::Result<Self> {
        let signature = &function.sig;
        can_be_called(signature)?;
        let is_itself = |found: &Type| match found {
            Type::Path(path) => path.path.is_ident("Self") || path.path.is_ident(object),
            _ => false,
        };
        match &signature.output {
            ReturnType::Type(_, returned) if is_itself(returned) => {
                let returned = Returned::Value(object.to_token_stream());
                Self::with_returned(function, returned, object)
            }
            _ => {
                let words = "the manager makes objects with `new`, which has to return `Self`: what may fail can be done by a method";
                Err(Error::new_spanned(signature, words))
            }
        }
    }

    fn with_returned(
        function: &ImplItemFn,
        returned: Returned,
        object: &Ident,
    ) -> syn::Result<Self> {
        let typed = function.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        let arguments = typed.enumerate().map(|(at, typed)| Argument::read(typed, at, object));
        let arguments = arguments.collect::<syn::Result<Vec<_>>>()?;
        if arguments.len() > MOST_ARGUMENTS {
            let words = "a method that is called from other processes has 16 arguments at most: put some of them in a struct";
            return Err(Error::new_spanned(&function.sig.inputs, words));
        }
        let named = |names: &[&str]| {
            let is_one = |found: &&Attribute| names.iter().any(|name| found.path().is_ident(name));
            function.attrs.iter().filter(is_one).cloned().collect()
        };
        Ok(Self {
            attributes: named(&["doc", "cfg", "cfg_attr", "deprecated"]),
            conditions: named(&["cfg"]),
            visibility: function.vis.clone(),
            ident: function.sig.ident.clone(),
            arguments,
            returned,
        })
    }
}

/// Refuses functions that cannot be called from another process at all.
fn can_be_called(signature: &Signature) -> syn::Result<()> {
    let refuse = |what: &dyn quote::ToTokens, words: &str| Err(Error::new_spanned(what, words));
    if let Some(found) = &signature.asyncness {
        return refuse(found, "the manager waits for a method to return, so it cannot be `async`");
    }
    if let Some(found) = &signature.unsafety {
        return refuse(
            found,
            "nobody in another process can promise what an `unsafe` method asks for",
        );
    }
    if !signature.generics.params.is_empty() {
        let words = "a method that is called from other processes has a name and one type, so it cannot be generic";
        return refuse(&signature.generics, words);
    }
    Ok(())
}

/// The errors of all methods, to be shown together.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
