//! What is shown, and what keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Snapshot;
use crate::table::printable;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stay,
    Leave,
}

/// Which of the two lists keys move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Processes,
    Objects,
}

/// A list of rows of cells, from some row on.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) rows: Vec<Vec<String>>,
    /// The first row that is shown.
    pub(super) first: usize,
    /// How many rows there was room for when it was drawn.
    pub(super) room: usize,
}

/// All that is shown.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) processes: List,
    pub(super) objects: List,
    pub(super) focus: Focus,
}

impl Screen {
    pub(super) fn new(found: Snapshot) -> Self {
        let (processes, objects) = Default::default();
        let mut screen = Self { processes, objects, focus: Focus::Processes };
        screen.update(found);
        screen
    }

    /// Shows what was found by a later look, from the same rows on.
    pub(super) fn update(&mut self, found: Snapshot) {
        let mut rows = Vec::new();
        for root in &found.processes {
            root.walk(0, &mut |node, depth| rows.push(node.cells(depth)));
        }
        self.processes.set(rows);
        self.objects.set(found.objects.iter().map(crate::ls::Object::cells).collect());
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let list = match self.focus {
            Focus::Processes => &mut self.processes,
            Focus::Objects => &mut self.objects,
        };
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Leave,
            KeyCode::Char('c') if is_control => return Wish::Leave,
            KeyCode::Tab => self.focus = self.focus.other(),
            KeyCode::Up => list.go_to(list.first.saturating_sub(1)),
            KeyCode::Down => list.go_to(list.first + 1),
            KeyCode::PageUp => list.go_to(list.first.saturating_sub(list.room.max(1))),
            KeyCode::PageDown => list.go_to(list.first + list.room.max(1)),
            KeyCode::Home => list.go_to(0),
            KeyCode::End => list.go_to(usize::MAX),
            _ => {}
        }
        Wish::Stay
    }
}

impl Focus {
    const fn other(self) -> Self {
        match self {
            Self::Processes => Self::Objects,
            Self::Objects => Self::Processes,
        }
    }
}

impl List {
    fn set(&mut self, rows: Vec<Vec<String>>) {
        let clean = |row: Vec<String>| row.iter().map(|cell| printable(cell)).collect();
        self.rows = rows.into_iter().map(clean).collect();
        self.go_to(self.first);
    }

    /// Shows rows from this one on, or the last ones.
    fn go_to(&mut self, first: usize) {
        self.first = first.min(self.rows.len().saturating_sub(self.room.max(1)));
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::{Focus, Screen, Wish};
    use crate::top::Snapshot;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    /// A screen with so many rows of each sort, and room for four.
    fn screen(n_rows: usize) -> Screen {
        let mut screen = Screen::new(Snapshot { schema: 1, processes: vec![], objects: vec![] });
        let rows = || (0..n_rows).map(|row| vec![row.to_string()]).collect();
        for list in [&mut screen.processes, &mut screen.objects] {
            list.room = 4;
            list.set(rows());
        }
        screen
    }

    #[test]
    fn some_keys_leave_and_others_do_not() {
        let mut screen = screen(3);
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(screen.press(key(code)), Wish::Leave);
        }
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(screen.press(control_c), Wish::Leave);
        for code in [KeyCode::Char('c'), KeyCode::Enter, KeyCode::Up, KeyCode::Tab] {
            assert_eq!(screen.press(key(code)), Wish::Stay);
        }
    }

    #[test]
    fn keys_move_the_list_that_has_the_focus_and_stay_inside() {
        let mut screen = screen(10);
        screen.press(key(KeyCode::Up));
        assert_eq!(screen.processes.first, 0);
        screen.press(key(KeyCode::Down));
        screen.press(key(KeyCode::PageDown));
        assert_eq!((screen.processes.first, screen.objects.first), (5, 0));
        screen.press(key(KeyCode::PageDown));
        assert_eq!(screen.processes.first, 6);
        screen.press(key(KeyCode::Tab));
        assert_eq!(screen.focus, Focus::Objects);
        screen.press(key(KeyCode::End));
        assert_eq!((screen.processes.first, screen.objects.first), (6, 6));
        screen.press(key(KeyCode::Home));
        assert_eq!(screen.objects.first, 0);
    }

    #[test]
    fn a_list_that_becomes_shorter_shows_its_last_rows() {
        let mut screen = screen(10);
        screen.press(key(KeyCode::End));
        screen.processes.set(vec![vec!["x\x1b".to_owned()]; 5]);
        assert_eq!(screen.processes.first, 1);
        assert_eq!(screen.processes.rows[0], ["x?"]);
        screen.processes.set(vec![]);
        assert_eq!(screen.processes.first, 0);
    }
}
