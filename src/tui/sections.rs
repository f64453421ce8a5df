//! Sections: parts of a pane, one below the other, that share its height.
//!
//! ```text
//!  ── title ──────────────── 3/16 ──      the place in the list, where rows are out of view
//!    head                                 always there
//!    body                                 a window of it around what is selected
//! ```
//! How high a section is depends on what there is to show and never on where the user looks: nothing jumps when that
//! changes.

use std::ops::Range;

use ratatui::{Frame, layout::Rect, text::Line};

use super::widgets::{Ui, draw, split_rows};
use crate::i18n::msg;

/// One part of a pane.
#[derive(Default)]
pub(super) struct Section {
    /// The heading.
    pub title: String,
    /// Lines that do not scroll.
    pub head: Vec<Line<'static>>,
    /// Lines that do.
    pub body: Vec<Line<'static>>,
    /// The lines of the body that belong to what is selected.
    pub selected: Range<usize>,
    /// Which one of how many is selected, counted from 0; none for a text.
    pub place: Option<(usize, usize)>,
    /// The arrow keys move here.
    pub focus: bool,
    /// The rows that it keeps when there is little room.
    pub least: usize,
    /// The rows that show all of it, where that is not what it shows just now.
    pub most: usize,
}

impl Section {
    /// The rows that show all of it.
    fn wanted(&self) -> usize {
        (1 + self.head.len() + self.body.len()).max(self.most)
    }
}

/// Draws sections over the whole height of an area. Those named first in `order` grow first.
pub(super) fn draw_sections(ui: &Ui, frame: &mut Frame, area: Rect, sections: &[Section], order: &[usize]) {
    let heights = share(sections, order, usize::from(area.height));
    // What is left over becomes blank lines between them.
    let mut blanks = usize::from(area.height).saturating_sub(heights.iter().sum());
    let mut rest = area;
    for (section, height) in sections.iter().zip(heights) {
        let (own, below) = split_rows(rest, height);
        draw(frame, own, lines(ui, section, height, area.width));
        let blank = blanks.min(1);
        blanks -= blank;
        rest = split_rows(below, blank).1;
    }
}

/// Tells whether all of every section has room in `rows`.
pub(super) fn fit(sections: &[Section], rows: u16) -> bool {
    sections.iter().map(Section::wanted).sum::<usize>() <= usize::from(rows)
}

/// Shares `rows` among sections: each has its least, and then one after the other gets what it wants.
fn share(sections: &[Section], order: &[usize], rows: usize) -> Vec<usize> {
    let mut left = rows;
    let mut heights = vec![0; sections.len()];
    for all in [false, true] {
        for index in order.iter().copied() {
            let wanted = sections[index].wanted();
            let goal = if all { wanted } else { wanted.min(sections[index].least) };
            let more = goal.saturating_sub(heights[index]).min(left);
            heights[index] += more;
            left -= more;
        }
    }
    heights
}

fn lines(ui: &Ui, section: &Section, height: usize, cells: u16) -> Vec<Line<'static>> {
    if height == 0 {
        return Vec::new();
    }
    let room = height.saturating_sub(1 + section.head.len());
    let hidden = section.body.len().saturating_sub(room);
    let title = match section.place {
        Some((here, count)) if hidden > 0 => format!("{} · {}/{count}", section.title, here + 1),
        None if hidden > 0 => format!("{} · {}", section.title, ui.app.text(msg::wizard::more_below(hidden))),
        _ => section.title.clone(),
    };
    let first = first_line(&section.selected, section.body.len(), room);
    let mut all = vec![ui.rule(&title, cells, section.focus)];
    all.extend(section.head.iter().cloned());
    all.extend(section.body.iter().skip(first).take(room).cloned());
    all
}

/// Returns the first line in view, so that all that is selected is, as far as it fits, with as much before it as after
/// it.
fn first_line(selected: &Range<usize>, lines: usize, height: usize) -> usize {
    let spare = height.saturating_sub(selected.len());
    let middle = selected.start.saturating_sub(spare / 2);
    middle.min(lines.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(body: usize, least: usize) -> Section {
        Section { body: vec![Line::raw("x"); body], least, ..Section::default() }
    }

    #[test]
    fn each_has_its_least_and_then_the_first_in_order_grow() {
        let all = [section(16, 4), section(5, 4), section(9, 7)];
        assert_eq!(share(&all, &[1, 0, 2], 20), [7, 6, 7]);
        assert_eq!(share(&all, &[1, 0, 2], 40), [17, 6, 10]);
        assert_eq!(share(&all, &[1, 0, 2], 6), [2, 4, 0], "even where the least has no room");
        let quiet = [Section { most: 9, ..section(2, 7) }];
        assert_eq!(share(&quiet, &[0], 20), [9], "what it may show later has room already");
    }

    #[test]
    fn all_of_what_is_selected_is_in_view() {
        assert_eq!(first_line(&(0..5), 20, 8), 0);
        assert_eq!(first_line(&(15..20), 20, 8), 12, "down to its end");
        assert_eq!(first_line(&(8..12), 20, 8), 6);
        assert_eq!(first_line(&(4..16), 20, 8), 4, "what is too long begins at the top");
    }
}
