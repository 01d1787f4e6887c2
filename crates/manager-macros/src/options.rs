//! `Options`: what stands in the brackets of the attribute.

use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Path, Token};

/// What stands in the brackets of the attribute.
#[derive(Default)]
pub(crate) struct Options {
    /// What the type is called by those who make objects.
    pub(crate) name: Option<LitStr>,
    /// What the proxy is called.
    pub(crate) proxy: Option<Ident>,
    /// Where the crate `manager` is.
    pub(crate) home: Option<Path>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let ahead = input.lookahead1();
            if ahead.peek(Token![crate]) {
                let key: Token![crate] = input.parse()?;
                set(&mut options.home, key.span, input)?;
            } else if ahead.peek(word::name) {
                let key: word::name = input.parse()?;
                set(&mut options.name, key.span, input)?;
            } else if ahead.peek(word::proxy) {
                let key: word::proxy = input.parse()?;
                set(&mut options.proxy, key.span, input)?;
            } else {
                return Err(ahead.error());
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// Reads `= value` into its place.
fn set<T: Parse>(
    place: &mut Option<T>,
    key: proc_macro2::Span,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    input.parse::<Token![=]>()?;
    if place.replace(input.parse()?).is_some() {
        return Err(syn::Error::new(key, "this is said twice"));
    }
    Ok(())
}

mod word {
    syn::custom_keyword!(name);
    syn::custom_keyword!(proxy);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> syn::Result<Options> {
        syn::parse_str(text)
    }

    #[test]
    fn each_is_read_in_any_order() {
        let options = parse(r#"crate = here::manager, proxy = Remote, name = "it","#).ok().unwrap();
        assert_eq!(options.name.unwrap().value(), "it");
        assert_eq!(options.proxy.unwrap(), "Remote");
        assert_eq!(options.home.unwrap().segments.len(), 2);
        assert!(parse("").is_ok_and(|options| options.name.is_none() && options.proxy.is_none()));
    }

    #[test]
    fn what_is_none_is_an_error() {
        for (text, words) in [
            ("names = 1", "expected one of"),
            ("name = it", "expected string literal"),
            ("name", "expected `=`"),
            ("proxy = A proxy = B", "expected `,`"),
            ("proxy = A, proxy = B", "said twice"),
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
