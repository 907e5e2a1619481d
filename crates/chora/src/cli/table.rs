//! Plain aligned columns: two spaces between them, nothing after the last.

use anstyle::Style;

use super::style::{BOLD, PLAIN, paint};

/// A text with its colour.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: PLAIN }
    }

    pub(crate) fn styled(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Rows under a header.
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|name| Cell::styled(BOLD, *name)).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Draws the rows; columns that are empty in every row but the header are left out.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| self.rows.iter().skip(1).filter_map(|row| row.get(column)).map(length).max().unwrap_or(0);
        let shown: Vec<(usize, usize)> = (0..columns)
            .filter_map(|column| {
                let header = self.rows.first().and_then(|row| row.get(column)).map_or(0, length);
                Some((column, width(column).max(header))).filter(|_| width(column) > 0)
            })
            .collect();
        self.rows.iter().map(|row| line(row, &shown)).collect()
    }
}

fn length(cell: &Cell) -> usize {
    cell.text.chars().count()
}

fn line(row: &[Cell], shown: &[(usize, usize)]) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (column, width) in shown {
        let Some(cell) = row.get(*column) else { continue };
        if !cell.text.is_empty() {
            line.push_str(&" ".repeat(gap));
            line.push_str(&if cell.style == PLAIN { cell.text.clone() } else { paint(cell.style, &cell.text) });
            gap = 0;
        }
        gap += width.saturating_sub(length(cell)) + 2;
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_align_and_empty_ones_go() {
        let mut table = Table::new(&["A", "EMPTY", "LONG", "C"]);
        table.row(vec!["one".into(), "".into(), "x".into(), "".into()]);
        table.row(vec!["1".into(), "".into(), "".into(), "z".into()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "A    LONG  C\none  x\n1          z\n");
    }
}
