//! What is refused, in which words, and at which place of the source.

use syn::parse_quote;

use super::*;

/// The errors of a block: what each points at, and its words.
fn errors(source: &str) -> Vec<(String, String)> {
    let block: ItemImpl = syn::parse_str(source).unwrap();
    let read = Object::read(&block, Options::default(), parse_quote!(::manager));
    let error = read.err().unwrap();
    let shown = error
        .into_iter()
        .map(|error| (error.span().source_text().unwrap_or_default(), error.to_string()));
    shown.collect()
}

/// A block with `new` and that method has one error, which points there and says so.
fn refused(method: &str, place: &str, words: &str) {
    let found = errors(&format!("impl Thing {{ pub fn new() -> Self {{ Self }} {method} }}"));
    assert_eq!(found.len(), 1, "{method}: {found:?}");
    assert_eq!(found[0].0, place, "{method}: {found:?}");
    assert!(found[0].1.contains(words), "{method}: {found:?}");
}

#[test]
fn methods_that_cannot_be_called_from_elsewhere_are_refused() {
    refused("pub fn end(self) {}", "self", "`&self` or `&mut self`");
    refused("pub fn end(self: Box<Self>) {}", "self: Box<Self>", "`&self` or `&mut self`");
    refused("pub async fn wait(&self) {}", "async", "cannot be `async`");
    refused("pub unsafe fn poke(&self) {}", "unsafe", "`unsafe`");
    refused("pub fn put<T>(&self, it: T) {}", "<T>", "cannot be generic");
    refused("pub fn get<'a>(&'a self) {}", "<'a>", "cannot be generic");
    refused("pub fn new_in(&self) {}", "new_in", "another name");
}

#[test]
fn types_that_cannot_travel_are_refused() {
    let whole = "only be a whole argument";
    refused("pub fn put(&self, it: Option<&str>) {}", "&str", whole);
    refused("pub fn put(&self, all: &[&str]) {}", "&str", whole);
    refused("pub fn put(&self, pair: (u8, &u8)) {}", "&u8", whole);
    refused("pub fn put(&self, it: &mut u8) {}", "&mut u8", "to be changed");
    refused("pub fn put(&self, it: &'static str) {}", "'static", "leave the lifetime out");
    refused("pub fn put(&self, it: Cow<'_, str>) {}", "'_", "owned type");
    refused("pub fn put(&self, it: &dyn Any) {}", "dyn Any", "trait object");
    refused("pub fn put(&self, it: impl Copy) {}", "impl Copy", "name the type");
    refused("pub fn get(&self) -> &str { \"\" }", "&str", "cannot return a reference");
    refused("pub fn get(&self) -> Option<&u8> { None }", "&u8", "cannot return a reference");
    refused("pub fn get(&self) -> impl Copy { 1 }", "impl Copy", "name the type");
    refused("pub fn put(&self, #[cfg(unix)] it: u8) {}", "#[cfg(unix)]", "`cfg`");
}

#[test]
fn iterators_that_cannot_stay_in_the_manager_are_refused() {
    let own = "cannot borrow from the object";
    let refused = |returned: &str, place: &str, words: &str| {
        refused(&format!("pub fn all(&self) -> {returned} {{ self.0.iter() }}"), place, words);
    };
    refused("impl Iterator<Item = u8>", "impl Iterator<Item = u8>", own);
    refused("impl Iterator<Item = u8> + '_", "'_", own);
    refused("impl Iterator<Item = u8> + use<'_>", "use<'_>", own);
    refused("Box<dyn Iterator<Item = u8> + '_>", "'_", own);
    refused("impl Iterator + 'static", "Iterator", "`Iterator<Item = T>`");
    refused("Box<dyn Iterator>", "Iterator", "`Iterator<Item = T>`");
    refused("impl Iterator<Item = &'static u8> + 'static", "&'static u8", "return a reference");
    refused("impl Iterator<Item = impl Copy> + 'static", "impl Copy", "name the type");
    refused(
        "impl IntoIterator<Item = u8> + 'static",
        "impl IntoIterator<Item = u8> + 'static",
        "name the type",
    );
    refused(
        "Result<impl Iterator<Item = u8> + 'static, u8>",
        "impl Iterator<Item = u8> + 'static",
        "all that a method returns",
    );
}

#[test]
fn iterators_that_stay_in_the_manager_are_read() {
    for returned in [
        "impl Iterator<Item = Vec<Self>> + 'static",
        "impl Send + std::iter::Iterator<Item = Vec<Self>> + use<>",
        "Box<dyn Iterator<Item = Vec<Self>> + Send>",
        "std::boxed::Box<dyn Send + Iterator<Item = Vec<Self>> + 'static>",
    ] {
        let output = syn::parse_str(&format!("-> {returned}")).unwrap();
        let read = Returned::read(&output, &format_ident!("Thing")).ok().unwrap();
        let Returned::Items { item, .. } = read else { panic!("{returned} is an iterator") };
        assert_eq!(item.to_string(), "Vec < Thing >", "{returned}");
    }
}

#[test]
fn more_arguments_than_a_tuple_has_are_refused() {
    let arguments: Vec<_> = (0..17).map(|n| format!("a{n}: u8")).collect();
    let inputs = format!("&self, {}", arguments.join(", "));
    refused(&format!("pub fn put({inputs}) {{}}"), &inputs, "16 arguments");
}

#[test]
fn all_errors_are_shown_together() {
    let found = errors("impl Thing { pub fn end(self) {} pub fn get(&self) -> &str { \"\" } }");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn blocks_that_are_no_objects_are_refused() {
    for (source, place, words) in [
        ("impl Clone for Thing { }", "Clone", "own methods"),
        ("impl<T> Thing<T> { }", "<T>", "cannot be generic"),
        ("impl Thing<u8> { }", "Thing<u8>", "without path or parameters"),
        ("impl thing::Thing { }", "thing::Thing", "without path or parameters"),
        ("impl Thing { }", "Thing", "is missing"),
        ("impl Thing { fn new() -> Self { Self } }", "Thing", "is missing"),
        (
            "impl Thing { pub fn new() -> Option<Self> { None } }",
            "fn new() -> Option<Self>",
            "return `Self`",
        ),
        ("impl Thing { pub fn new() {} }", "fn new()", "return `Self`"),
    ] {
        let found = errors(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert_eq!(found[0].0, place, "{source}: {found:?}");
        assert!(found[0].1.contains(words), "{source}: {found:?}");
    }
}

#[test]
fn only_what_others_may_call_is_read() {
    let block = parse_quote! {
        impl Thing {
            pub const LIMIT: u8 = 1;
            pub(crate) fn new(start: u8) -> Thing { Self(start) }
            pub fn other(start: u8) -> Self { Self(start) }
            /// Gets it.
            #[inline]
            pub(crate) fn get(&self, (a, b): (u8, u8), _: &str, [c]: &[Self]) -> [Self; 2] { [] }
            fn own(self) -> &'static str { "" }
        }
    };
    let object = Object::read(&block, Options::default(), parse_quote!(::manager)).ok().unwrap();
    assert_eq!(
        (object.name.value().as_str(), object.proxy),
        ("Thing", format_ident!("ThingProxy"))
    );
    assert_eq!((object.new.arguments.len(), object.methods.len()), (1, 1));
    let get = &object.methods[0];
    assert_eq!((get.attributes.len(), get.conditions.len()), (1, 0));
    assert!(matches!(&get.returned, Returned::Value(value) if value.to_string() == "[Thing ; 2]"));
    let shown =
        |argument: &Argument| format!("{} {} {}", argument.name, argument.given, argument.owned);
    let arguments: Vec<_> = get.arguments.iter().map(shown).collect();
    assert_eq!(
        arguments,
        [
            "argument_1 (u8 , u8) (u8 , u8)",
            "argument_2 & str :: std :: string :: String",
            "argument_3 & [Thing] :: std :: vec :: Vec < Thing >",
        ]
    );
}
