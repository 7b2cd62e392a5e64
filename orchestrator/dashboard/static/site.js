// One site: where it stands, and each step as a timeline on which what is only known to lie between two times is drawn so.
import { byId, chip, h, s } from "./dom.js";
import { bracket, clock, length } from "./words.js";

const ROW = 30;
const EDGE = { left: 84, right: 16 };

export class SiteDialog {
  constructor(state) {
    this.state = state;
    this.dialog = byId("site");
    this.body = byId("site-body");
    this.name = null;
    this.busy = false;
    this.dialog.addEventListener("close", () => {
      this.name = null;
    });
  }

  async open(name) {
    this.name = name;
    byId("site-title").replaceChildren(name);
    this.body.replaceChildren(h("p", { class: "hint" }, "Asking…"));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector("[data-close]").focus();
    await this.refresh();
  }

  // Asks again, when something came of this site.
  async refresh() {
    const { name } = this;
    if (name === null || this.busy) return;
    this.busy = true;
    try {
      const query = new URLSearchParams({ drill: this.state.drill, site: name });
      const answer = await fetch(`/api/site?${query}`);
      const found = await answer.json();
      if (this.name === name) this.#draw(answer.ok ? found : null, found.error);
    } catch {
      if (this.name === name && !this.body.querySelector("dl")) this.#draw(null, "the server does not answer");
    } finally {
      this.busy = false;
    }
    if (this.name !== null && this.name !== name) await this.refresh();
  }

  #draw(found, error) {
    if (!found) {
      this.body.replaceChildren(h("p", { class: "none" }, `Nothing to show: ${error}.`));
      return;
    }
    const { word, role } = this.state.look(found.letter);
    byId("site-title").replaceChildren(chip(found.letter, role), found.site, h("span", { class: "hint" }, word));
    const width = Math.max(280, this.body.clientWidth - 36);
    const steps = [...found.steps].reverse();
    this.body.replaceChildren(
      h("p", { class: "sentence" }, found.sentence),
      facts(found),
      ...steps.flatMap((step) => [
        h("h3", {}, `Step ${step.step + 1}: ${step.control}${step.verdict ? `, ${step.verdict}` : ""}`),
        timeline(step, width),
        ...(step.said && step.said !== found.sentence ? [h("p", { class: "hint" }, step.said)] : []),
      ]),
      h("h3", {}, "What happened"),
      h("table", { class: "happened" }, h("tbody", {}, ...found.happened.map((one) => this.#happened(one)))),
    );
  }

  #happened([timestamp, letter, words, more]) {
    const { role } = this.state.look(letter);
    return h(
      "tr",
      {},
      h("td", {}, timestamp.slice(11, 23)),
      h("td", {}, letter ? chip(letter, role) : ""),
      h("td", {}, words),
      h("td", {}, more),
    );
  }
}

function facts(found) {
  const [agree, against, unknown] = found.counted;
  const named = found.witnesses.map(([name, stance]) => (stance ? `${name} (${stance})` : name)).join(", ");
  const pairs = [
    ["Evidence", found.grade],
    ["Witnesses", `${agree} agree, ${against} against, ${unknown} unknown`],
    ["Its own word", found.own_word || "nothing"],
    ["Owner", `${found.owner}${found.mock ? " (mock site)" : ""}`],
    ["Attributes", found.tags.map((pair) => pair.join(" ")).join(", ") || "none"],
    ["Witnesses by name", named],
  ];
  return h("dl", { class: "facts" }, ...pairs.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text))));
}

// Time runs from the order. Bars are brackets: it happened somewhere in them.
function timeline(step, width) {
  if (step.ordered_ms === null) return h("p", { class: "none" }, "Not ordered.");
  const released = step.released_at;
  const back = step.back && released !== null ? step.back.map((ms) => ms + released) : null;
  const ends = [step.limit_ms, ...(step.halted ?? []), ...(back ?? []), ...step.marks.map(([ms]) => ms)];
  if (released !== null) ends.push(released);
  const span = Math.max(...ends) * 1.08;
  const x = (ms) => EDGE.left + (ms / span) * (width - EDGE.left - EDGE.right);
  const words = inWords(step);
  const height = 4 * ROW + 22;
  const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
  if (released !== null) {
    svg.append(s("rect", { class: "shade", x: x(0), width: x(released) - x(0), y: 0, height: 4 * ROW }));
  }
  ["halted", "back", "said", "stood"].forEach((name, row) =>
    svg.append(
      s("text", { class: "strong", x: 0, y: row * ROW + 20 }, name),
      s("line", { class: "rule", x1: EDGE.left, x2: width - EDGE.right, y1: (row + 1) * ROW, y2: (row + 1) * ROW }),
    ),
  );
  const limitAt = x(step.limit_ms);
  svg.append(
    s("line", { class: "limit", x1: limitAt, x2: limitAt, y1: 0, y2: ROW }),
    ...interval(step.halted, x, 0, step.halted, step.limit_ms),
  );
  if (released !== null) {
    const due = x(released + step.restore_limit_ms);
    svg.append(
      s("line", { class: "axis", x1: x(released), x2: x(released), y1: 0, y2: 4 * ROW }),
      ...(due < width ? [s("line", { class: "limit", x1: due, x2: due, y1: ROW, y2: 2 * ROW })] : []),
      ...interval(back, x, 1, step.back, step.restore_limit_ms),
    );
  }
  let free = 0; // letters that would cover one another stand side by side; their titles have the time
  for (const [ms, letter, said] of step.marks) {
    const at = letter ? Math.max(x(ms), free) : x(ms);
    if (letter) free = at + 17;
    const title = s("title", {}, `${length(ms)}: ${said}`);
    svg.append(
      letter
        ? s("g", {}, s("rect", { class: "chip-box", x: at - 7.5, y: 3 * ROW + 7, width: 15, height: 17, rx: 3 }),
            s("text", { class: "strong", x: at, y: 3 * ROW + 20, "text-anchor": "middle" }, letter, title))
        : s("circle", { class: "dot-mark", cx: x(ms), cy: 2 * ROW + 15, r: 4.5 }, title),
    );
  }
  ticks(svg, x, step, released, width, height);
  return h("div", {}, svg, h("p", { class: "hint" }, words));
}

// Labels that would run into one another are left out, the order's and the release's last.
function ticks(svg, x, step, released, width, height) {
  const taken = [];
  const label = (ms, text, role = "") => {
    const wide = text.length * 6.6;
    const at = Math.min(Math.max(x(ms), wide / 2), width - wide / 2);
    if (taken.some(([from, to]) => at + wide / 2 + 6 > from && at - wide / 2 - 6 < to)) return;
    taken.push([at - wide / 2, at + wide / 2]);
    svg.append(s("text", { class: role, x: at, y: height - 5, "text-anchor": "middle" }, text));
  };
  label(0, "order");
  if (released !== null) label(released, `release ${length(Math.round(released / 10) * 10)}`);
  label(step.limit_ms, `limit ${length(step.limit_ms)}`, "limit-words");
}

// A bracket where it lies, with the figures that its limit is about.
function interval(pair, x, row, figures, limitMs) {
  if (pair === null) return [s("text", { x: x(0) + 8, y: row * ROW + 20 }, "not seen")];
  const over = figures[1] > limitMs;
  const [from, to] = pair.map(x);
  const y = row * ROW + 15;
  const right = Math.max(to, from + 3);
  return [
    s("rect", { class: `span${over ? " over" : ""}`, x: from, width: right - from, y: y - 5, height: 10, rx: 2 }),
    s("line", { class: "whisker", x1: from, x2: from, y1: y - 9, y2: y + 9 }),
    s("line", { class: "whisker", x1: right, x2: right, y1: y - 9, y2: y + 9 }),
    s("text", { class: "strong", x: right + 7, y: y + 4 }, bracket(figures)),
  ];
}

function inWords(step) {
  const parts = [`Ordered at ${clock(step.ordered_ms)} UTC.`];
  parts.push(
    step.halted
      ? `Seen as ordered between ${bracket(step.halted)} after it, limit ${length(step.limit_ms)}.`
      : "No quorum saw it as ordered.",
  );
  if (step.back) parts.push(`Back between ${bracket(step.back)} after the release.`);
  return parts.join(" ");
}
