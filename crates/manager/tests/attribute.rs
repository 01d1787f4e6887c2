//! `#[manager::object]`: types of the program's own, through the proxies that it writes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests end when something is not as it should be"
)]

use std::collections::HashMap;

use common::{wait_until, watch};
use manager::{Dict, Error, List, Manager, Remote};
use proc_core::{Process, Start};
use serde::{Deserialize, Serialize};

mod common;

/// A shelf of books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    label: String,
    books: Vec<Book>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Book {
    title: String,
    pages: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NoBook {
    Unknown(String),
}

#[manager::object]
impl Shelf {
    /// What nobody calls from elsewhere.
    const BAD: &'static str = "bad";

    /// Makes an empty shelf.
    pub(crate) fn new(label: &str, books: &[Book]) -> Self {
        assert!(label != Self::BAD, "a bad label");
        Self { label: label.to_owned(), books: books.to_vec() }
    }

    /// Puts a book at the end, and says how many there are.
    pub(crate) fn put(&mut self, book: &Book) -> usize {
        self.books.push(book.clone());
        self.books.len()
    }

    pub(crate) fn put_all(&mut self, books: &[Book]) {
        self.books.extend_from_slice(books);
    }

    pub(crate) fn pages(&self, title: &str) -> Result<u32, NoBook> {
        let found = self.books.iter().find(|book| book.title == title);
        found.map(|book| book.pages).ok_or_else(|| NoBook::Unknown(title.into()))
    }

    pub(crate) fn label(&self) -> String {
        self.label.clone()
    }

    /// Names may be keywords, and patterns parameters.
    pub(crate) fn r#match(&self, (least, most): (u32, u32), r#type: Option<String>) -> Vec<Book> {
        assert_eq!(r#type, None);
        self.books.iter().filter(|book| (least..most).contains(&book.pages)).cloned().collect()
    }

    pub(crate) fn copy(&self) -> Self {
        self.own_copy()
    }

    pub(crate) fn clear(&mut self) {
        self.books.clear();
    }

    pub(crate) fn burn(&mut self) {
        self.books.clear();
        panic!("{} is on fire", self.label);
    }

    /// Parameters may have the names that the proxy uses too.
    pub(crate) fn mix(&self, object: u8, methods: u16, manager: u32, name: u64) -> u64 {
        u64::from(object) + u64::from(methods) + u64::from(manager) + name
    }

    #[cfg(not(unix))]
    pub(crate) fn elsewhere(&self) -> NoSuchTypeHere {}

    #[cfg(unix)]
    pub(crate) fn here(&self) -> bool {
        true
    }

    fn own_copy(&self) -> Self {
        self.clone()
    }

    /// Private ones are as they like.
    #[expect(dead_code, reason = "there to be left alone")]
    fn borrowed<'a>(&'a self, other: &'a str) -> &'a str {
        if other.is_empty() { &self.label } else { other }
    }
}

/// Shelves, by their labels.
pub(crate) struct Library {
    shelves: HashMap<String, ShelfProxy>,
}

#[manager::object(name = "a library", proxy = Hall)]
impl Library {
    pub(crate) fn new() -> Self {
        Self { shelves: HashMap::new() }
    }

    pub(crate) fn shelf(&mut self, label: &str) -> Result<ShelfProxy, String> {
        if let Some(shelf) = self.shelves.get(label) {
            return Ok(shelf.clone());
        }
        let manager = Manager::current().map_err(|error| error.to_string())?;
        let manager = manager.ok_or("not in a manager")?;
        let shelf = ShelfProxy::new_in(&manager, label, &[]).map_err(|error| error.to_string())?;
        self.shelves.insert(label.into(), shelf.clone());
        Ok(shelf)
    }

    pub(crate) fn drop_all(&mut self) {
        self.shelves.clear();
    }

    pub(crate) fn count(
        &self,
        shelves: &[ShelfProxy],
        index: List<String>,
    ) -> Result<usize, String> {
        let labels = shelves.iter().map(ShelfProxy::label).collect::<Result<Vec<_>, _>>();
        for label in labels.map_err(|error| error.to_string())? {
            index.push(&label).map_err(|error| error.to_string())?;
        }
        index.len().map_err(|error| error.to_string())
    }
}

fn start() -> Manager {
    common::builder().register::<Shelf>().register::<Library>().start().unwrap()
}

fn book(title: &str, pages: u32) -> Book {
    Book { title: title.into(), pages }
}

#[test]
fn every_form_of_method_is_called_through_the_proxy() {
    let _watchdog = watch("forms");
    let manager = start();
    let shelf = ShelfProxy::new_in(&manager, "top", &[book("first", 1)]).unwrap();
    assert_eq!(shelf.put(&book("second", 20)).unwrap(), 2);
    shelf.put_all(&[book("third", 300), book("fourth", 4000)]).unwrap();
    assert_eq!(shelf.pages("third").unwrap(), Ok(300));
    assert_eq!(shelf.pages("fifth").unwrap(), Err(NoBook::Unknown("fifth".into())));
    assert_eq!(shelf.label().unwrap(), "top");
    let found = shelf.r#match((10, 1000), None).unwrap();
    assert_eq!(found, [book("second", 20), book("third", 300)]);
    assert_eq!(shelf.copy().unwrap().books.len(), 4);
    assert_eq!(shelf.mix(1, 20, 300, 4000).unwrap(), 4321);
    assert!(shelf.here().unwrap());
    shelf.clear().unwrap();
    assert_eq!(shelf.copy().unwrap(), Shelf { label: "top".into(), books: vec![] });
}

#[test]
fn a_panic_is_told_and_harms_nobody() {
    let _watchdog = watch("panics");
    let manager = start();
    let shelf = ShelfProxy::new_in(&manager, "top", &[book("first", 1)]).unwrap();
    let panicked = shelf.burn();
    assert!(
        matches!(&panicked, Err(Error::Panicked(panic)) if panic.message() == "top is on fire"),
        "{panicked:?}"
    );
    assert_eq!(shelf.copy().unwrap().books.len(), 0, "as the panic left it");
    assert!(matches!(ShelfProxy::new_in(&manager, "bad", &[]), Err(Error::Panicked(_))));
    let shelfless = common::builder().start().unwrap();
    let refused = ShelfProxy::new_in(&shelfless, "top", &[]);
    assert!(matches!(refused, Err(Error::NoSuchType(name)) if name == "Shelf"));
}

#[test]
fn methods_take_and_return_proxies() {
    let _watchdog = watch("proxies");
    let manager = start();
    let hall = Hall::new_in(&manager).unwrap();
    let shelf = hall.shelf("top").unwrap().unwrap();
    shelf.put(&book("first", 1)).unwrap();
    let same = hall.shelf("top").unwrap().unwrap();
    assert_eq!((same.pages("first").unwrap(), &same), (Ok(1), &shelf));
    let index = manager.list().unwrap();
    let other = hall.shelf("bottom").unwrap().unwrap();
    assert_eq!(hall.count(&[shelf, other], index.clone()).unwrap(), Ok(2));
    assert_eq!(index.to_vec().unwrap(), ["top", "bottom"]);
    hall.drop_all().unwrap();
    drop((hall, same, index));
    wait_until(&manager, "nothing is left", |stats| (stats.objects, stats.references) == (0, 0));
}

fn fill((shelf, by): (ShelfProxy, u32)) -> Option<ShelfProxy> {
    for n in 0..25 {
        shelf.put(&book("", by + n)).ok()?;
    }
    Some(shelf)
}

#[test]
fn proxies_go_through_processes_and_other_objects() {
    let _watchdog = watch("processes");
    let manager = start();
    let shelf = ShelfProxy::new_in(&manager, "shared", &[]).unwrap();
    let starts = [Start::Spawn, Start::ForkServer, Start::Spawn, Start::ForkServer];
    let children: Vec<_> = (0..)
        .step_by(100)
        .zip(starts)
        .map(|(by, start)| {
            Process::builder().start(start).spawn(fill, (shelf.clone(), by)).unwrap()
        })
        .collect();
    for child in children {
        assert_eq!(child.join().unwrap(), Some(shelf.clone()));
    }
    let mut pages: Vec<_> = shelf.copy().unwrap().books.iter().map(|book| book.pages).collect();
    pages.sort_unstable();
    let all = (0..4).flat_map(|by| by * 100..by * 100 + 25);
    assert_eq!(pages, all.collect::<Vec<_>>());
    let dict: Dict<String, ShelfProxy> = manager.dict().unwrap();
    dict.set("it", &shelf).unwrap();
    assert_eq!(dict.get("it").unwrap(), Some(shelf));
}

#[test]
fn a_proxy_is_published_and_looked_up_and_made_of_a_remote() {
    let _watchdog = watch("published");
    let manager = start();
    let remote = manager.create::<Shelf>(("made".into(), vec![])).unwrap();
    let shelf = ShelfProxy::from(remote.clone());
    manager.publish("shelf", &shelf).unwrap();
    assert_eq!(manager.look_up::<ShelfProxy>("shelf").unwrap(), shelf);
    assert_eq!(manager.look_up::<Remote<Shelf>>("shelf").unwrap(), remote);
    assert!(matches!(manager.look_up::<Hall>("shelf"), Err(Error::OtherType { .. })));
}
