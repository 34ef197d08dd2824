//! A page of text in colours.

use std::fmt::Write as _;

use crate::color::{Color, Palette};
use crate::terminal::{width, wrap};

/// Column that the value of a row stands in.
pub(crate) const INDENT: usize = 16;

/// Text under construction.
pub(crate) struct Page {
    palette: Palette,
    width: usize,
    out: String,
}

impl Page {
    pub(crate) fn new(palette: Palette) -> Page {
        Page { palette, width: width(), out: String::new() }
    }

    pub(crate) fn into_text(self) -> String {
        self.out
    }

    pub(crate) fn empty_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// A line, or several of which all but the first are indented.
    pub(crate) fn text(&mut self, color: Color, indent: usize, text: &str) {
        let text = wrap(text, 0, indent, self.width);
        let _ = writeln!(self.out, "{}", self.palette.apply(color, text));
    }

    /// A line that is not broken: what it names is as long as it is.
    pub(crate) fn line(&mut self, color: Color, text: &str) {
        let _ = writeln!(self.out, "{}", self.palette.apply(color, text));
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.text(Color::Bold, 2, text);
    }

    /// A name and its value, with a mark where it differs from what it is compared with.
    pub(crate) fn row(&mut self, name: &str, differs: bool, color: Color, value: &str) {
        let (mark, mark_color, color) =
            if differs { ("! ", Color::Bad, Color::Bad) } else { ("  ", Color::Plain, color) };
        let _ = write!(self.out, "{}{name:<rest$}", self.palette.apply(mark_color, mark), rest = INDENT - 2);
        let value = wrap(value, INDENT, INDENT, self.width);
        let _ = writeln!(self.out, "{}", self.palette.apply(color, value));
    }

    /// Text in columns of fixed width, and a last one that is as wide as there is space.
    pub(crate) fn columns(&mut self, fixed: &str, color: Color, last: &str) {
        let column = fixed.chars().count();
        let last = wrap(last, column, column, self.width);
        let _ = writeln!(self.out, "{fixed}{}", self.palette.apply(color, last));
    }
}
