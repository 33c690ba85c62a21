//! The measurements as a picture (SVG): a bar for each server, with who used the processors in it.

use crate::load::Run;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 240.0;
const ROW: f64 = 62.0;
const COLOURS: [(&str, &str); 7] = [
    ("nginx", "#4e79a7"),
    ("usher-http", "#f28e2b"),
    ("usherd", "#e15759"),
    ("apache2", "#76b7b2"),
    ("python3", "#59a14f"),
    ("slapd", "#edc948"),
    ("wrk", "#bab0ac"),
];

pub(crate) fn picture(rows: &[(&str, Run)]) -> String {
    let most = rows.iter().map(|(_, run)| run.rate).fold(1.0, f64::max);
    let height = 70.0 + ROW * rows.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">Requests a second, and who used the processors\
         </text>\n",
        LEFT + WIDTH + 90.0
    );
    for (number, (name, run)) in rows.iter().enumerate() {
        let top = (number as f64).mul_add(ROW, 40.0);
        svg += &format!("<text x=\"10\" y=\"{}\">{name}</text>\n", top + 15.0);
        svg += &format!(
            "<text x=\"10\" y=\"{}\" fill=\"#666\">p50 {:.2} ms, p99 {:.2} ms</text>\n",
            top + 31.0,
            run.p50_ms,
            run.p99_ms
        );
        let length = WIDTH * run.rate / most;
        let mut left = LEFT;
        for (who, share) in run.shares() {
            let colour = COLOURS.iter().find(|(name, _)| *name == who).map_or("#999", |it| it.1);
            let part = length * share / 100.0;
            svg += &format!(
                "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{part:.1}\" height=\"34\" \
                 fill=\"{colour}\"><title>{who} {share:.0} %</title></rect>\n"
            );
            left += part;
        }
        svg +=
            &format!("<text x=\"{:.1}\" y=\"{}\">{:.0}</text>\n", left + 6.0, top + 21.0, run.rate);
    }
    for (number, (name, colour)) in COLOURS.iter().enumerate() {
        let (x, y) = ((number as f64).mul_add(95.0, LEFT), height - 22.0);
        svg +=
            &format!("<rect x=\"{x}\" y=\"{y}\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\n");
        svg += &format!("<text x=\"{}\" y=\"{}\">{name}</text>\n", x + 16.0, y + 10.0);
    }
    svg + "</svg>\n"
}
