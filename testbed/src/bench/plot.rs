//! Plots of the medians, as SVG and as PNG.

use super::record::Key;
use super::summary::Summary;
use crate::error::{Doing, LabError, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::fs;
use std::path::Path;

/// Octets across and down, of the PNG.
const SIZE: (u32, u32) = (1100, 620);
/// Where Debian's `fonts-dejavu-core` and others put a font that can be read.
const FONTS: [&str; 3] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
];
/// One for each device (after Okabe and Ito, told apart by most eyes), ours first.
const COLOURS: [RGBColor; 8] = [
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(120, 190, 60),
    RGBColor(204, 121, 167),
    RGBColor(110, 110, 110),
];

/// One bar chart: groups of bars, one bar for each device.
struct Chart<'a> {
    file: &'static str,
    title: &'static str,
    /// What the height means.
    unit: &'static str,
    groups: Vec<String>,
    /// Name, and height in each group with least and most.
    bars: Vec<(&'a str, Heights)>,
}

/// Writes them all; returns lines that say which, or why not.
pub(super) fn plots(folder: &Path, summary: &Summary<'_>) -> Result<Vec<String>> {
    let Some(font) = FONTS.iter().find_map(|file| fs::read(file).ok()) else {
        return Ok(vec![
            "no plots: there is no DejaVu Sans here (Debian's package fonts-dejavu-core)"
                .to_owned(),
        ]);
    };
    // Plots are made once in the life of the process: the font stays.
    let font: &'static [u8] = Box::leak(font.into_boxed_slice());
    for style in [FontStyle::Normal, FontStyle::Bold] {
        if register_font("sans-serif", style, font).is_err() {
            return Ok(vec!["no plots: the font cannot be read".to_owned()]);
        }
    }
    let mut lines = Vec::new();
    for chart in charts(summary) {
        if chart.groups.is_empty() || chart.bars.is_empty() {
            continue;
        }
        for kind in ["svg", "png"] {
            let file = folder.join(format!("{}.{kind}", chart.file));
            let drawn = if kind == "svg" {
                chart.draw(&SVGBackend::new(&file, SIZE).into_drawing_area())
            } else {
                chart.draw(&BitMapBackend::new(&file, SIZE).into_drawing_area())
            };
            drawn
                .map_err(|error| std::io::Error::other(error.to_string()))
                .doing(format!("draw {}", file.display()))?;
            lines.push(format!("plot: {}", file.display()));
        }
    }
    Ok(lines)
}

fn charts<'a>(summary: &Summary<'a>) -> Vec<Chart<'a>> {
    let mut charts = Vec::new();
    let by_size = [
        (
            "rate-overload",
            "Forwarding rate under overload",
            "rate",
            "overload",
        ),
        (
            "rate-sender",
            "Forwarding rate from one sender",
            "rate",
            "sender",
        ),
        (
            "loss-free",
            "Loss-free rate (RFC 2544), one sender",
            "loss-free",
            "sender",
        ),
    ];
    for (file, title, test, input) in by_size {
        let mut columns = summary.columns(test, input);
        // The limit in the kernel is far above all others and would flatten them: it stands in the table.
        let keep = ["64", "512", "1518", "IMIX", "64 x 1024", "64 x 65536"];
        if columns.len() > keep.len() {
            columns.retain(|(name, ..)| keep.contains(&name.as_str()));
        }
        let key = |device: &str, column: usize| {
            let (_, test, input, size, stations) = columns.get(column)?;
            Some(Key {
                device: device.to_owned(),
                test: (*test).to_owned(),
                input: (*input).to_owned(),
                size: size.clone(),
                stations: *stations,
            })
        };
        let groups: Vec<_> = columns.iter().map(|(name, ..)| name.clone()).collect();
        let bars = bars(summary, groups.len(), |device, column| {
            let spread = summary.spread(&key(device, column)?, "kpps")?;
            Some((spread.median / 1e3, spread.least / 1e3, spread.most / 1e3))
        });
        charts.push(Chart {
            file,
            title,
            unit: "million frames a second",
            groups,
            bars,
        });
    }
    let delays = [("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us")];
    for (file, title, part) in [
        (
            "latency-50",
            "Delay at 50 % of each one's loss-free rate, 64 octets",
            "50 %",
        ),
        (
            "latency-90",
            "Delay at 90 % of each one's loss-free rate, 64 octets",
            "90 %",
        ),
    ] {
        let bars = bars(summary, delays.len(), |device, at| {
            let (_, value) = delays.get(at)?;
            let key = Key {
                device: device.to_owned(),
                test: "latency".to_owned(),
                input: part.to_owned(),
                size: "64".to_owned(),
                stations: 2,
            };
            let spread = summary.spread(&key, value)?;
            Some((spread.median, spread.least, spread.most))
        });
        let groups = delays.map(|(name, _)| name.to_owned()).into();
        charts.push(Chart {
            file,
            title,
            unit: "microseconds (each step ten times the one below)",
            groups,
            bars,
        });
    }
    let streams = ["1 stream", "4 streams"];
    let tcp = bars(summary, streams.len(), |device, at| {
        let key = Key {
            device: device.to_owned(),
            test: "tcp".to_owned(),
            input: (*streams.get(at)?).to_owned(),
            size: String::new(),
            stations: 0,
        };
        let spread = summary.spread(&key, "gbps")?;
        Some((spread.median, spread.least, spread.most))
    });
    charts.push(Chart {
        file: "tcp",
        title: "TCP between two guests of a host, turned round at the switch",
        unit: "Gb/s",
        groups: streams.map(str::to_owned).into(),
        bars: tcp,
    });
    charts
}

type Heights = Vec<Option<(f64, f64, f64)>>;

fn bars<'a>(
    summary: &Summary<'a>,
    groups: usize,
    height: impl Fn(&str, usize) -> Option<(f64, f64, f64)>,
) -> Vec<(&'a str, Heights)> {
    let all = summary
        .devices()
        .into_iter()
        .filter(|device| *device != "kernel-lookup");
    let all = all.map(|device| {
        (
            device,
            (0..groups)
                .map(|group| height(device, group))
                .collect::<Heights>(),
        )
    });
    all.filter(|(_, heights)| heights.iter().any(Option::is_some))
        .collect()
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Chart<'_> {
    fn is_logarithmic(&self) -> bool {
        self.unit.starts_with("microseconds")
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> std::result::Result<(), LabError>
    where
        B::ErrorType: 'static,
    {
        self.try_draw(area)
            .map_err(|error| LabError::Check(error.to_string()))
    }

    fn try_draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn
    where
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        // A title at the very edge loses the tops of its letters.
        let area = area.margin(8, 0, 0, 0);
        let area = area.titled(self.title, ("sans-serif", 26))?;
        // The legend has a column of its own: it lies over nothing.
        let (left, right) = area.split_horizontally(SIZE.0 - 210);
        let all = self
            .bars
            .iter()
            .flat_map(|(_, heights)| heights.iter().flatten());
        let most = all.fold(0.0f64, |most, (_, _, high)| most.max(*high));
        let scale = |value: f64| {
            if self.is_logarithmic() {
                value.max(0.1).log10() + 1.0
            } else {
                value
            }
        };
        let groups = self.groups.len() as f64;
        let mut chart = ChartBuilder::on(&left)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(76)
            .build_cartesian_2d(0.0..groups, 0.0..scale(most) * 1.06)?;
        let logarithmic = self.is_logarithmic();
        let label = |height: &f64| {
            if !logarithmic {
                return format!("{height:.1}");
            }
            if (height - height.round()).abs() > 0.01 {
                return String::new();
            }
            let value = 10f64.powf(height - 1.0);
            if value < 1.0 {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            }
        };
        let names = &self.groups;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(self.unit)
            .y_labels(if logarithmic {
                2 + scale(most) as usize
            } else {
                9
            })
            .y_label_formatter(&label)
            .label_style(("sans-serif", 17))
            .axis_desc_style(("sans-serif", 18))
            .draw()?;
        let width = 0.84 / self.bars.len() as f64;
        for (at, (_, heights)) in self.bars.iter().enumerate() {
            let colour = colour(at);
            for (group, height) in heights.iter().enumerate() {
                let Some((median, least, most)) = *height else {
                    continue;
                };
                let start = group as f64 + 0.08 + at as f64 * width;
                let end = start + width * 0.92;
                let bar = Rectangle::new([(start, 0.0), (end, scale(median))], colour.filled());
                let middle = f64::midpoint(start, end);
                let spread = PathElement::new(
                    vec![(middle, scale(least)), (middle, scale(most))],
                    BLACK.stroke_width(2),
                );
                chart.draw_series([bar])?;
                chart.draw_series([spread])?;
            }
        }
        let plane = chart.plotting_area();
        for (group, name) in names.iter().enumerate() {
            let (x, y) = plane.map_coordinate(&(group as f64 + 0.5, 0.0));
            let style = ("sans-serif", 18).into_text_style(&left);
            let (wide, _) = left.estimate_text_size(name, &style)?;
            left.draw_text(
                name,
                &style,
                (
                    x - wide as i32 / 2 - left_edge(&left),
                    y + 12 - top_edge(&left),
                ),
            )?;
        }
        for (at, (name, _)) in self.bars.iter().enumerate() {
            let y = 16 + at as i32 * 28;
            let square = Rectangle::new([(4, y), (20, y + 16)], colour(at).filled());
            right.draw(&square)?;
            let style = ("sans-serif", 17).into_text_style(&right);
            right.draw_text(name, &style, (28, y))?;
        }
        let note = "bar: median of the rounds; line: least to most";
        let style = ("sans-serif", 13).into_text_style(&left);
        left.draw_text(note, &style, (80, left.dim_in_pixel().1 as i32 - 20))?;
        area.present()?;
        Ok(())
    }
}

/// Coordinates of a chart count from the picture's corner, those of text from the area's.
fn left_edge<B: DrawingBackend>(area: &DrawingArea<B, Shift>) -> i32 {
    area.get_pixel_range().0.start
}

fn top_edge<B: DrawingBackend>(area: &DrawingArea<B, Shift>) -> i32 {
    area.get_pixel_range().1.start
}

fn colour(at: usize) -> RGBColor {
    let RGBColor(r, g, b) = COLOURS.get(at % COLOURS.len()).copied().unwrap_or(BLACK);
    // The second time round: darker.
    let darker = |part: u8| if at < COLOURS.len() { part } else { part / 2 };
    RGBColor(darker(r), darker(g), darker(b))
}
