//! How it is shown.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, Wrap};

use super::screen::{Focus, List, Screen};

/// The least terminal that there is something to see on.
const LEAST: (u16, u16) = (40, 9);

/// Draws everything, and notes for how many rows there was room.
pub(super) fn draw(screen: &mut Screen, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words = format!(
            "The terminal is too small: {}×{}, and {}×{} is the least. q quits.",
            area.width, area.height, LEAST.0, LEAST.1
        );
        frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: true }), area);
        return;
    }
    let parts = [Constraint::Length(1), Constraint::Fill(1), Constraint::Fill(1)];
    let [top, upper, lower] = Layout::vertical(parts).areas(area);
    let heading = "mproc top: q quits, Tab goes to the other list, arrows and pages move it";
    frame.render_widget(Line::styled(heading, Style::new().add_modifier(Modifier::BOLD)), top);
    let columns = [
        ("PID", Constraint::Length(8)),
        ("PROCESS", Constraint::Fill(3)),
        ("STATE", Constraint::Length(13)),
        ("MEMORY", Constraint::Length(11)),
        ("THREADS", Constraint::Length(7)),
        ("DOES", Constraint::Fill(2)),
    ];
    let is_here = screen.focus == Focus::Processes;
    draw_list(&mut screen.processes, "processes", &columns, is_here, frame, upper);
    let columns = [
        ("OBJECT", Constraint::Fill(2)),
        ("ID", Constraint::Length(10)),
        ("NAME", Constraint::Fill(1)),
        ("MEMORY", Constraint::Length(10)),
        ("IN IT", Constraint::Length(7)),
        ("OF", Constraint::Length(7)),
        ("HELD BY", Constraint::Fill(2)),
        ("WAITERS", Constraint::Length(7)),
        ("DEATHS", Constraint::Length(6)),
        ("STATE", Constraint::Fill(1)),
        ("OPEN IN", Constraint::Fill(2)),
    ];
    let is_here = screen.focus == Focus::Objects;
    draw_list(&mut screen.objects, "objects", &columns, is_here, frame, lower);
}

fn draw_list(
    list: &mut List,
    name: &str,
    columns: &[(&str, Constraint)],
    has_focus: bool,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    // Two lines of the frame, and the names of the columns.
    list.room = usize::from(area.height.saturating_sub(3));
    let last = (list.first + list.room).min(list.rows.len());
    let shown = list.rows.get(list.first..last).unwrap_or_default();
    let title = match list.rows.len() {
        0 => format!(" no {name} "),
        all => format!(" {name} {} to {last} of {all} ", list.first + 1),
    };
    let style = if has_focus { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let names = columns.iter().map(|(name, _)| Cell::new(*name));
    let rows = shown.iter().map(|row| Row::new(row.iter().map(|cell| Cell::new(cell.as_str()))));
    let table = Table::new(rows, columns.iter().map(|(_, width)| *width))
        .header(Row::new(names).style(Style::new().add_modifier(Modifier::UNDERLINED)))
        .block(Block::new().borders(Borders::ALL).title(title).border_style(style));
    frame.render_widget(table, area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::draw;
    use crate::ls::Object;
    use crate::ps::{Node, Role};
    use crate::top::Snapshot;
    use crate::top::screen::Screen;

    fn node(pid: u32, name: &str, children: Vec<Node>) -> Node {
        Node {
            pid,
            parent: 1,
            name: name.to_owned(),
            role: Role::Child,
            state: "sleeping".to_owned(),
            threads: 2,
            memory: 4 << 20,
            task: None,
            orphan: false,
            children,
        }
    }

    fn object(what: &str) -> Object {
        Object {
            id: "1:77".to_owned(),
            kind: "lock/1".to_owned(),
            what: what.to_owned(),
            name: None,
            bytes: 64,
            memory: 4096,
            depth: Some(1),
            capacity: Some(1),
            holders: vec![],
            has_waiters: Some(true),
            waiters: None,
            deaths_repaired: Some(3),
            state: vec!["poisoned".to_owned()],
            open_in: vec![],
        }
    }

    /// The screen as lines of text.
    fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(screen, frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(line).collect()
    }

    #[test]
    fn processes_and_objects_are_shown() {
        let processes = vec![node(10, "main\x1b[2J", vec![node(11, "clerk", vec![])])];
        let objects = vec![object("Lock")];
        let mut screen = Screen::new(Snapshot { schema: 1, processes, objects });
        let lines = drawn(&mut screen, 140, 20);
        assert!(lines[0].starts_with("mproc top: q quits"));
        assert!(lines[1].contains(" processes 1 to 2 of 2 "), "{}", lines[1]);
        assert!(lines[2].contains("PROCESS") && lines[2].contains("THREADS"), "{}", lines[2]);
        assert!(lines[3].contains("10       main?[2J"), "{}", lines[3]);
        assert!(lines[4].contains("11         clerk"), "{}", lines[4]);
        assert!(lines[4].contains("sleeping      4.0 MiB     2"), "{}", lines[4]);
        let all = lines.join("\n");
        assert!(all.contains(" objects 1 to 1 of 1 "), "{all}");
        let row = lines.iter().find(|line| line.contains("Lock")).unwrap();
        for cell in ["1:77", "4.0 KiB", "some", "poisoned"] {
            assert!(row.contains(cell), "{row}");
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let processes = (0..30).map(|pid| node(pid, "x", vec![])).collect();
        let mut screen = Screen::new(Snapshot { schema: 1, processes, objects: vec![] });
        let all = drawn(&mut screen, 100, 15).join("\n");
        assert!(all.contains(" processes 1 to 4 of 30 "), "{all}");
        assert!(all.contains(" no objects "), "{all}");
        assert_eq!(screen.processes.room, 4);
    }

    #[test]
    fn a_small_terminal_is_told_to_be_so() {
        for (width, height) in [(39, 50), (100, 8), (1, 1)] {
            let mut screen =
                Screen::new(Snapshot { schema: 1, processes: vec![], objects: vec![] });
            let text = drawn(&mut screen, width, height).join(" ");
            assert_eq!(text.contains("too small"), width > 9, "{text}");
        }
    }
}
