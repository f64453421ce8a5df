//! Sections: parts of a pane, one below the other, that share its height.
//!
//! ```text
//!  ── title ──────────────── 3/16 ──      the place in the list, where rows are out of view
//!    head                                 always there
//!    body                                 a window of it around what is selected
//!    tail                                 details of what is selected
//! ```
//! The section in focus gets what it needs first, then the others in their order of weight. One that gets nothing more shows its title,
//! which says the most important of it.

use std::ops::Range;

use ratatui::{Frame, layout::Rect, text::Line};

use super::widgets::{Ui, draw, split_rows};

/// One part of a pane.
#[derive(Default)]
pub struct Section {
    /// The heading, which must do alone when there is no room.
    pub title: String,
    /// Lines that do not scroll.
    pub head: Vec<Line<'static>>,
    /// Lines that do.
    pub body: Vec<Line<'static>>,
    /// Lines below, for what is selected.
    pub tail: Vec<Line<'static>>,
    /// The lines of the body that belong to what is selected.
    pub selected: Range<usize>,
    /// Which one of how many is selected, counted from 0.
    pub place: (usize, usize),
    /// The arrow keys move here.
    pub focus: bool,
    /// What gets room first among those not in focus: the heavier.
    pub weight: u8,
    /// It may be left out altogether.
    pub optional: bool,
}

impl Section {
    /// The rows that show all of it.
    fn wanted(&self) -> usize {
        1 + self.head.len() + self.body.len() + self.tail.len()
    }

    fn least(&self) -> usize {
        usize::from(self.focus || !self.optional)
    }
}

/// Draws sections over the whole height of an area.
pub fn draw_sections(ui: &Ui, frame: &mut Frame, area: Rect, sections: &[Section]) {
    let heights = share(sections, usize::from(area.height));
    let used: usize = heights.iter().sum();
    // What is left over becomes blank lines between them.
    let mut blanks = usize::from(area.height).saturating_sub(used);
    let mut rest = area;
    for (section, height) in sections.iter().zip(heights) {
        let (own, below) = split_rows(rest, height);
        draw(frame, own, lines(ui, section, height, area.width));
        // A title alone needs no room below it.
        let blank = usize::from(height > 1 && blanks > 0);
        blanks -= blank;
        rest = split_rows(below, blank).1;
    }
}

/// Shares `rows` among sections.
fn share(sections: &[Section], rows: usize) -> Vec<usize> {
    let mut heights: Vec<usize> = sections.iter().map(Section::least).collect();
    let mut left = rows.saturating_sub(heights.iter().sum());
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|index| (!sections[*index].focus, u8::MAX - sections[*index].weight));
    for index in order {
        let more = (sections[index].wanted() - heights[index]).min(left);
        if is_worth(&sections[index], heights[index] + more) {
            heights[index] += more;
            left -= more;
        }
    }
    heights
}

/// Tells whether a section says more with these rows than with its title alone: what is optional must show half of itself.
fn is_worth(section: &Section, rows: usize) -> bool {
    rows > 1 + section.head.len() && (section.focus || !section.optional || rows * 2 > section.wanted())
}

fn lines(ui: &Ui, section: &Section, height: usize, cells: u16) -> Vec<Line<'static>> {
    if height == 0 {
        return Vec::new();
    }
    let room = height.saturating_sub(1 + section.head.len());
    if room == 0 {
        return vec![ui.rule(&section.title, cells, section.focus)];
    }
    let whole = section.body.len() + section.tail.len() <= room;
    let tail = match (whole, section.focus) {
        (true, _) => section.tail.len(),
        (false, true) => section.tail.len().min(room / 3),
        (false, false) => 0,
    };
    let body = room - tail;
    let first = first_line(&section.selected, section.body.len(), body);
    let title = if section.body.len() > body {
        format!("{} · {}/{}", section.title, section.place.0 + 1, section.place.1)
    } else {
        section.title.clone()
    };
    let mut all = vec![ui.rule(&title, cells, section.focus)];
    all.extend(section.head.iter().cloned());
    all.extend(section.body.iter().skip(first).take(body).cloned());
    all.extend(section.tail.iter().take(tail).cloned());
    all
}

/// Returns the first line in view, so that all that is selected is, as far as it fits, with as much before it as after it.
fn first_line(selected: &Range<usize>, lines: usize, height: usize) -> usize {
    let spare = height.saturating_sub(selected.len());
    let middle = selected.start.saturating_sub(spare / 2);
    middle.min(lines.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(body: usize, focus: bool, weight: u8) -> Section {
        Section { body: vec![Line::raw("x"); body], focus, weight, ..Section::default() }
    }

    #[test]
    fn the_one_in_focus_comes_first_and_none_loses_its_title() {
        let all = [section(16, true, 1), section(9, false, 0), section(9, false, 2)];
        assert_eq!(share(&all, 20), [17, 1, 2]);
        assert_eq!(share(&all, 40), [17, 10, 10]);
        let all = [section(16, false, 1), section(9, true, 0), section(9, false, 2)];
        assert_eq!(share(&all, 20), [1, 10, 9], "then the heaviest");
    }

    #[test]
    fn an_optional_one_gives_way() {
        let all = [section(30, true, 1), Section { optional: true, ..section(3, false, 0) }];
        assert_eq!(share(&all, 20), [20, 0]);
        assert_eq!(share(&all, 36), [31, 4]);
    }

    #[test]
    fn all_of_what_is_selected_is_in_view() {
        assert_eq!(first_line(&(0..5), 20, 8), 0);
        assert_eq!(first_line(&(15..20), 20, 8), 12, "down to its end");
        assert_eq!(first_line(&(8..12), 20, 8), 6);
        assert_eq!(first_line(&(4..16), 20, 8), 4, "what is too long begins at the top");
    }
}
