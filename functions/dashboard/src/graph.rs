//! The state graph as SVG: once for wide screens, once for narrow ones.

use maud::{Markup, html};
use pact_contract::{EnvironmentName, StateName, environments::MAX_ENVIRONMENTS, ids::title};

use crate::{
    format::{anchor, short},
    mark::{Mark, Marked as _, word_of},
    pipeline::{BEFORE_ENVIRONMENTS, Node, PHASES, knows},
    view::RunView,
};

/// Measures of one drawing.
struct Measures {
    class: &'static str,
    node_width: i32,
    node_height: i32,
    gap: i32,
    /// Nodes of one lane side by side.
    columns: i32,
    /// Whether phases stand below each other.
    stacked: bool,
    /// Between phases.
    between: i32,
}

const PAD: i32 = 10;
const HEADER: i32 = 28;
const ASIDE: i32 = 22;

const WIDE: Measures = Measures {
    class: "wide",
    node_width: 110,
    node_height: 28,
    gap: 10,
    columns: 1,
    stacked: false,
    between: 20,
};

const NARROW: Measures = Measures {
    class: "narrow",
    node_width: 106,
    node_height: 30,
    gap: 9,
    columns: 3,
    stacked: true,
    between: 18,
};

/// One box to draw.
struct Drawn {
    what: What,
    label: String,
}

/// What a box is about.
enum What {
    /// A state, of whichever environment it was entered for last.
    State(String),
    /// Where an environment stands.
    Environment(EnvironmentName),
}

impl From<&Node> for Drawn {
    fn from(node: &Node) -> Self {
        Self { what: What::State(node.state.to_string()), label: node.label.to_owned() }
    }
}

/// One phase to draw.
struct Part {
    title: String,
    lanes: Vec<Vec<Drawn>>,
    rollback: Vec<Drawn>,
    ordered: bool,
}

/// Both drawings with the legend.
pub(crate) fn graph(view: &RunView) -> Markup {
    let parts = parts(view);
    html! {
        div class="graph card" {
            (drawing(view, &parts, &WIDE))
            (drawing(view, &parts, &NARROW))
            ul class="legend" aria-label="Legend" {
                @for (mark, word) in [
                    (Mark::Pass, "passed"), (Mark::Fail, "failed"), (Mark::Warn, "fault"),
                    (Mark::Skip, "not checked"), (Mark::Run, "running"), (Mark::Wait, "not reached"),
                ] {
                    li { (mark.icon()) (word) }
                }
            }
        }
    }
}

fn parts(view: &RunView) -> Vec<Part> {
    let mut parts: Vec<Part> = PHASES
        .iter()
        .map(|phase| Part {
            title: phase.title.to_owned(),
            lanes: phase.lanes.iter().map(|l| l.iter().map(Drawn::from).collect()).collect(),
            rollback: phase.rollback.iter().map(Drawn::from).collect(),
            ordered: phase.ordered,
        })
        .collect();
    let rows: Vec<Drawn> = view
        .environments()
        .into_iter()
        .take(MAX_ENVIRONMENTS)
        .map(|name| Drawn { label: short(view.within(&name), 14), what: What::Environment(name) })
        .collect();
    if !rows.is_empty() {
        let title = "Environments".to_owned();
        let at = PHASES.iter().position(|phase| phase.title == BEFORE_ENVIRONMENTS);
        let part = Part { title, lanes: vec![rows], rollback: Vec::new(), ordered: true };
        parts.insert(at.map_or(0, |at| at + 1), part);
    }
    let others: Vec<Drawn> = view
        .parts
        .stages
        .iter()
        .filter(|s| !knows(s.state.state()))
        .take(12)
        .map(|s| Drawn {
            what: What::State(s.state.state().to_owned()),
            label: short(&s.title(), 14),
        })
        .collect();
    if !others.is_empty() {
        let title = "Other".to_owned();
        parts.push(Part { title, lanes: vec![others], rollback: Vec::new(), ordered: false });
    }
    parts
}

fn drawing(view: &RunView, parts: &[Part], m: &Measures) -> Markup {
    let (mut x, mut y, mut right, mut bottom) = (1, 1, 0, 0);
    let mut drawn = Vec::new();
    let mut before: Option<(i32, i32)> = None;
    for part in parts {
        let (width, height) = size(part, m);
        let edge = before.map(|(x0, y0)| {
            if m.stacked {
                format!("M{} {y0}V{}", x + width / 2, y - 5)
            } else {
                format!("M{x0} {}H{}", y + HEADER + m.node_height / 2, x - 5)
            }
        });
        let tip = if m.stacked {
            format!("M{} {y}l-4 -6h8z", x + width / 2)
        } else {
            format!("M{x} {}l-6 -4v8z", y + HEADER + m.node_height / 2)
        };
        drawn.push(html! {
            @if let Some(edge) = edge {
                path class="edge" d=(edge) {}
                path class="head-of-edge" d=(tip) {}
            }
            (phase(view, part, m, (x, y), (width, height)))
        });
        right = right.max(x + width);
        bottom = bottom.max(y + height);
        before = Some((x + width, y + height));
        if m.stacked {
            y += height + m.between;
        } else {
            x += width + m.between;
        }
    }
    let size = format!("0 0 {} {}", right + 1, bottom + 1);
    html! {
        svg class=(m.class) viewBox=(size) role="group" aria-label="States of the pipeline" {
            @for part in drawn { (part) }
        }
    }
}

/// Rows of a list of nodes.
fn rows(nodes: usize, m: &Measures) -> i32 {
    let nodes = i32::try_from(nodes).unwrap_or(0);
    (nodes + m.columns - 1) / m.columns
}

fn block(rows: i32, m: &Measures) -> i32 {
    (rows * (m.node_height + m.gap) - m.gap).max(0)
}

fn size(part: &Part, m: &Measures) -> (i32, i32) {
    let lanes = i32::try_from(part.lanes.len()).unwrap_or(1);
    let columns = if m.stacked { m.columns } else { lanes };
    let width = 2 * PAD + columns * (m.node_width + m.gap) - m.gap;
    let longest = part.lanes.iter().map(Vec::len).max().unwrap_or(0);
    let body = if lanes > 1 {
        block(i32::try_from(longest).unwrap_or(0), m)
    } else {
        block(rows(longest, m), m)
    };
    let aside = match part.rollback.len() {
        0 => 0,
        n => ASIDE + 6 + block(rows(n, m), m),
    };
    (width, HEADER + body + aside + PAD)
}

fn phase(
    view: &RunView,
    part: &Part,
    m: &Measures,
    (x, y): (i32, i32),
    (width, height): (i32, i32),
) -> Markup {
    let lanes = part.lanes.len();
    let step = m.node_width + m.gap;
    let mut nodes = Vec::new();
    for (index, lane) in (0i32..).zip(&part.lanes) {
        // Several lanes stand side by side; a single one is filled row by row.
        let columns = if lanes > 1 { 1 } else { m.columns };
        let left = x + PAD + if lanes > 1 { index * step } else { 0 };
        nodes.push(list(view, lane, m, (left, y + HEADER), columns, part.ordered));
    }
    let top = y + height - PAD - block(rows(part.rollback.len(), m), m);
    html! {
        g class="phase" {
            rect x=(x) y=(y) width=(width) height=(height) rx="9" {}
            text x=(x + PAD) y=(y + 19) { (part.title) }
            @for node in nodes { (node) }
            @if !part.rollback.is_empty() {
                text class="aside" x=(x + PAD) y=(top - 8) { "if it is taken back" }
                (list(view, &part.rollback, m, (x + PAD, top), m.columns, true))
            }
        }
    }
}

fn list(
    view: &RunView,
    nodes: &[Drawn],
    m: &Measures,
    (x, y): (i32, i32),
    columns: i32,
    ordered: bool,
) -> Markup {
    html! {
        @for (index, drawn) in (0i32..).zip(nodes) {
            @let (column, row) = (index % columns, index / columns);
            @let left = x + column * (m.node_width + m.gap);
            @let top = y + row * (m.node_height + m.gap);
            @if ordered && index > 0 && columns == 1 {
                path class="edge" d={ "M" (left + 18) " " (top - m.gap) "v" (m.gap) } {}
            } @else if ordered && column > 0 {
                path class="edge" d={ "M" (left - m.gap) " " (top + m.node_height / 2) "h" (m.gap) } {}
            }
            (node(view, drawn, m, left, top))
        }
    }
}

fn node(view: &RunView, drawn: &Drawn, m: &Measures, x: i32, y: i32) -> Markup {
    let Standing { mark, name, target } = match &drawn.what {
        What::State(state) => standing(view, state),
        What::Environment(name) => environment(view, name),
    };
    let middle = y + m.node_height / 2;
    let inside = html! {
        rect x=(x) y=(y) width=(m.node_width) height=(m.node_height) rx="6" {}
        g transform={ "translate(" (x + 4) " " (middle - 8) ")" } { (mark.shape()) }
        text x=(x + 23) y=(middle + 4) { (drawn.label) }
    };
    html! {
        @match target {
            Some(target) => a href={ "#" (target) } class={ "node " (mark.class()) } aria-label=(name) {
                title { (name) }
                (inside)
            },
            None => g class={ "node " (mark.class()) } { title { (name) } (inside) },
        }
    }
}

/// How something stands: its mark, what it is called with the word for how it stands, and the part
/// of the page about it.
struct Standing {
    mark: Mark,
    name: String,
    target: Option<String>,
}

/// How a state stands, in the environment for which it was entered last.
fn standing(view: &RunView, state: &str) -> Standing {
    let named = |of: &StateName, word: &str| format!("{}: {word}", of.title());
    if let Some(stage) = view.parts.stages.iter().rfind(|s| s.state.state() == state) {
        return Standing {
            mark: stage.status.mark(),
            name: named(&stage.state, &word_of(stage)),
            target: Some(anchor(stage.state.as_str())),
        };
    }
    if let Some(approval) = view.parts.approvals.iter().rfind(|a| a.state.state() == state) {
        let (mark, word) = view.approval(approval);
        let target = Some("approvals".to_owned());
        return Standing { mark, name: named(&approval.state, word), target };
    }
    let name = format!("{}: not reached", title(state));
    Standing { mark: Mark::Wait, name, target: None }
}

/// Where an environment stands.
fn environment(view: &RunView, name: &EnvironmentName) -> Standing {
    let of = |state: &StateName| state.environment().as_ref() == Some(name);
    let stage = view.parts.stages.iter().rfind(|stage| of(&stage.state));
    let asked = view.parts.approvals.iter().rfind(|approval| of(&approval.state));
    let (mark, word) = match view.deployments().iter().find(|d| d.environment == *name) {
        Some(deployment) => (deployment.status.mark(), deployment.status.word().to_string()),
        None => match (asked.map(|asked| view.approval(asked)), stage) {
            (Some((mark, word)), _) if mark != Mark::Pass => (mark, word.to_owned()),
            (_, Some(stage)) => (stage.status.mark(), word_of(stage)),
            (Some((mark, word)), None) => (mark, word.to_owned()),
            (None, None) => (Mark::Wait, "not reached".to_owned()),
        },
    };
    let target = match stage {
        Some(stage) => Some(anchor(stage.state.as_str())),
        None => asked.map(|_| "approvals".to_owned()),
    };
    Standing { mark, name: format!("{name}: {word}"), target }
}
