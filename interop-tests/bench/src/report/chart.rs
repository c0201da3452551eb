//! Charts, drawn with plotters.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{Measured, Report};
use crate::row::Growth;

const PEER: RGBColor = RGBColor(0x4c, 0x78, 0xa8);
const BASELINE: RGBColor = RGBColor(0xf5, 0x85, 0x18);
const LINES: [RGBColor; 5] =
    [PEER, BASELINE, RGBColor(0x54, 0xa2, 0x4b), RGBColor(0xb2, 0x79, 0xa2), BLACK];

/// Draws all charts, and returns their names.
pub(super) fn draw(report: &Report, directory: &Path) -> Vec<String> {
    let name = "ratios.svg".to_owned();
    let bars: Vec<(&str, &Measured)> =
        report.rows.iter().map(|row| (row.work.as_str(), row)).collect();
    draw_ratios(&bars, &directory.join(&name));
    let mut names = vec![name];

    let mut growths = BTreeMap::<&str, Vec<(&Growth, &Measured)>>::new();
    for row in &report.rows {
        if let Some(growth) = &row.growth {
            growths.entry(&growth.chart).or_default().push((growth, row));
        }
    }
    for (title, mut points) in growths {
        if points.len() < 2 {
            continue;
        }
        points.sort_by(|(left, _), (right, _)| left.at.total_cmp(&right.at));
        let name = format!("{}.svg", title.replace([' ', ','], "-").replace("--", "-"));
        draw_growth(title, &points, &directory.join(&name));
        names.push(name);
    }
    names
}

/// Draws the ratios of the benchmarks that the README has.
pub(super) fn draw_for_readme(report: &Report, path: &Path) {
    let bar = |row| Measured::readme_bar(row);
    let bars: Vec<(&str, &Measured)> = report.rows.iter().filter_map(bar).collect();
    draw_ratios(&bars, path);
}

impl Measured {
    fn readme_bar(&self) -> Option<(&str, &Measured)> {
        Some((self.in_readme.as_deref()?, self))
    }
}

/// Draws two bars for each benchmark: the ratio of ours to the first peer, and to the baseline.
fn draw_ratios(rows: &[(&str, &Measured)], path: &Path) {
    const ROW: i32 = 34;
    const BAR: i32 = 12;
    const LEFT: i32 = 400;
    const SCALE: f64 = 200.0;
    const TOP: i32 = 40;
    /// A longer bar ends here. Its ratio is written beside it.
    const LONGEST: f64 = 2.0;

    let size = (900, (TOP + rows.len() as i32 * ROW + 10) as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    let text = |text: String, x: i32, y: i32, color: &RGBColor| {
        Text::new(text, (x, y), ("sans-serif", 13).into_font().color(color))
    };
    area.fill(&WHITE).expect("a chart");
    area.draw(&text("of the peer".to_owned(), LEFT, 10, &PEER)).expect("a chart");
    area.draw(&text("of the baseline".to_owned(), LEFT + 120, 10, &BASELINE)).expect("a chart");
    for (index, (work, row)) in rows.iter().enumerate() {
        let y = TOP + index as i32 * ROW;
        area.draw(&text((*work).to_owned(), 10, y + 6, &BLACK)).expect("a chart");
        let ours = row.ours();
        let bars = [(ours.of_peer, PEER), (ours.of_baseline, BASELINE)];
        for (number, (ratio, color)) in bars.into_iter().enumerate() {
            let Some(ratio) = ratio else { continue };
            let (y, right) = (y + number as i32 * BAR, LEFT + (ratio.min(LONGEST) * SCALE) as i32);
            area.draw(&Rectangle::new([(LEFT, y), (right, y + BAR - 1)], color.filled()))
                .expect("a chart");
            area.draw(&text(format!("{ratio:.2}"), right + 5, y, &BLACK)).expect("a chart");
        }
    }
    let (one, bottom) = (LEFT + SCALE as i32, TOP + rows.len() as i32 * ROW);
    area.draw(&PathElement::new([(one, TOP - 8), (one, bottom)], BLACK)).expect("a chart");
    area.present().expect("a chart");
}

/// Draws a line for each contestant that all points have. The axis of time is logarithmic, and so is the
/// other one unless it begins at 0.
fn draw_growth(title: &str, points: &[(&Growth, &Measured)], path: &Path) {
    let logarithmic = points[0].0.at > 0.0;
    let x = |at: f64| if logarithmic { at.log10() } else { at };
    let names = points[0].1.contestants.iter().map(|contestant| contestant.name.as_str());
    let lines: Vec<(&str, Vec<(f64, f64)>)> = names
        .filter_map(|name| {
            let point = |(growth, row): &(&Growth, &Measured)| {
                let found = row.contestants.iter().find(|contestant| contestant.name == name)?;
                Some((x(growth.at), found.median.log10()))
            };
            Some((name, points.iter().map(point).collect::<Option<_>>()?))
        })
        .collect();
    let heights = lines.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y));
    let (low, high) =
        heights.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));

    let area = SVGBackend::new(path, (800, 500)).into_drawing_area();
    area.fill(&WHITE).expect("a chart");
    let last = x(points[points.len() - 1].0.at);
    let mut chart: ChartContext<'_, _, Cartesian2d<RangedCoordf64, RangedCoordf64>> =
        ChartBuilder::on(&area)
            .caption(format!("{title}: {}", points[0].1.unit), ("sans-serif", 18))
            .margin(15)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(x(points[0].0.at)..last, low.floor()..high.ceil())
            .expect("a chart");
    let power = |exponent: &f64| {
        let is_whole = (exponent - exponent.round()).abs() < 1e-6;
        if is_whole { format!("{:.0}", 10_f64.powf(*exponent)) } else { String::new() }
    };
    chart
        .configure_mesh()
        .x_label_formatter(&|at: &f64| if logarithmic { power(at) } else { format!("{at:.0}") })
        .y_label_formatter(&power)
        .light_line_style(WHITE)
        .draw()
        .expect("a chart");
    for ((name, points), color) in lines.into_iter().zip(LINES.into_iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))
            .expect("a chart")
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .expect("a chart");
    area.present().expect("a chart");
}
