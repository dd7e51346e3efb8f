//! The picture: bars of operations per second, as a plain SVG.

use std::fmt::{self, Write};

use crate::contender::{AXUM_ALONE_EACH_CORE, BARE, OURS, OURS_EACH_CORE, OURS_ON_AXUM};
use crate::figures::{Figures, Results};
use crate::plan::SMALL;
use crate::report::thousands;

const WIDTH: f64 = 850.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 320.0;
const LONGEST: f64 = 430.0;
const LINE: f64 = 20.0;

/// The work of 64 tasks on small sessions, and the counter over HTTP.
pub(crate) fn svg(results: &Results, below: &str) -> String {
    let cells = results.measured.iter().filter(|measured| {
        let cell = measured.cell;
        let fewest = results.measured[0].cell.sessions;
        (cell.tasks, cell.bytes, cell.sessions) == (64, SMALL, fewest)
    });
    let mut panels: Vec<_> = cells
        .map(|measured| {
            let title = format!("{}, per second, 64 tasks", measured.cell.work.name());
            (title, &measured.figures)
        })
        .collect();
    for route in results.http.iter().filter(|route| route.path == "/count") {
        panels.push((
            "HTTP counter, requests per second".to_owned(),
            &route.figures,
        ));
    }
    let mut picture = String::new();
    write(&mut picture, &panels, below).expect("a string takes all that is written");
    picture
}

fn write(out: &mut String, panels: &[(String, &Vec<Figures>)], below: &str) -> fmt::Result {
    let lines: usize = panels.iter().map(|(_, figures)| figures.len() + 2).sum();
    let height = (lines + 4) as f64 * LINE;
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-30 0 {} {height}" font-family="sans-serif" font-size="13">"#,
        WIDTH + 30.0
    )?;
    writeln!(
        out,
        r#"<rect x="-30" width="100%" height="100%" fill="white"/>"#
    )?;
    let mut y = LINE;
    for (title, figures) in panels {
        writeln!(
            out,
            r#"<text x="10" y="{:.0}" font-weight="bold">{title}</text>"#,
            y + 14.0
        )?;
        y = bars(out, figures, y + LINE)? + LINE;
    }
    for line in lines_of(below) {
        y += 14.0;
        writeln!(
            out,
            r#"<text x="10" y="{y:.0}" font-size="10">{line}</text>"#
        )?;
    }
    writeln!(out, "</svg>")
}

/// A long sentence in lines that fit.
fn lines_of(sentence: &str) -> Vec<String> {
    const FITTING: usize = 130;
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if line.len() + word.len() > FITTING {
            lines.push(word.to_owned());
        } else {
            *line += &format!(" {word}");
        }
    }
    lines
}

/// The bars of one panel, the longest first; returns where the next line goes.
fn bars(out: &mut String, figures: &[Figures], mut y: f64) -> Result<f64, fmt::Error> {
    let mut rates: Vec<_> = figures
        .iter()
        .map(|figures| (figures.contender, figures.median(|turn| turn.per_second)))
        .collect();
    rates.sort_by(|one, other| other.1.total_cmp(&one.1));
    let most = rates.first().map_or(1.0, |(_, rate)| *rate);
    for (name, rate) in rates {
        let (length, middle, end) = (rate / most * LONGEST, y + 14.0, LEFT - 8.0);
        let colour = match name {
            OURS | OURS_ON_AXUM | OURS_EACH_CORE => "#b5482a",
            BARE | AXUM_ALONE_EACH_CORE | "the server, pipelined" => "#cccccc",
            name if name.ends_with("without sessions") => "#cccccc",
            _ => "#5b7a99",
        };
        writeln!(
            out,
            r#"<text x="{end:.0}" y="{middle:.0}" text-anchor="end">{name}</text>"#
        )?;
        writeln!(
            out,
            r#"<rect x="{LEFT:.0}" y="{:.0}" width="{length:.0}" height="15" fill="{colour}"/>"#,
            y + 2.0
        )?;
        writeln!(
            out,
            r#"<text x="{:.0}" y="{middle:.0}">{}</text>"#,
            LEFT + length + 6.0,
            thousands(rate)
        )?;
        y += LINE;
    }
    Ok(y)
}
