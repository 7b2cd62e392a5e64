// The loudest problems, the regions and the events.
import { byId, chip, h, setText } from "./dom.js";
import { drawStack } from "./stacks.js";
import { clock, count } from "./words.js";

const LEVELS = ["debug", "info", "warning", "error"];
const SHOWN_MAX = 250;

export function drawProblems(state, open) {
  const { problems, problems_total: total, head } = state.data;
  const list = byId("problems");
  const shape = JSON.stringify(problems);
  if (list.dataset.shape === shape) return;
  list.dataset.shape = shape;
  const more = total - problems.length;
  setText(byId("problems-count"), total ? `${count(total)}${more ? `, ${count(problems.length)} shown` : ""}` : "");
  if (!problems.length) {
    const words = head.ended_ms === null ? "Nobody is in trouble so far." : "Nobody is in trouble.";
    list.replaceChildren(h("li", { class: "none" }, words));
    return;
  }
  const kept = document.activeElement?.closest?.("#problems button")?.dataset.site;
  list.replaceChildren(...problems.map((one) => problem(state, one, open)));
  if (kept) [...list.querySelectorAll("button")].find((button) => button.dataset.site === kept)?.focus();
}

function problem(state, [place, letter, sentence, step, at], open) {
  const { word, role } = state.look(letter);
  const name = state.names[place];
  const past = step === state.data.head.running ? "" : `, step ${step + 1}`;
  const button = h(
    "button",
    { type: "button", "data-site": name },
    chip(letter, role),
    h("span", { class: "name" }, name, " ", h("span", { class: "word" }, `${word}${past}`)),
    at === null ? null : h("time", { datetime: new Date(at).toISOString() }, clock(at)),
    h("span", { class: "why" }, sentence),
  );
  button.addEventListener("click", () => open(name));
  return h("li", { class: `l-${role}` }, button);
}

const AS_ORDERED = {
  ordered: "WH",
  recovering: "R",
  aborting: "R",
  closing: "V",
  closed: "V",
};

export function drawRegions(state, choose) {
  const { regions, head } = state.data;
  const body = byId("regions");
  const good = AS_ORDERED[head.phase] ?? "A";
  regions.forEach((counts, at) => {
    let row = body.children[at];
    const name = state.regionNames[at];
    if (!row || row.dataset.name !== name) {
      const made = regionRow(name, choose);
      if (row) row.replaceWith(made);
      else body.append(made);
      row = made;
    }
    const all = Object.values(counts).reduce((sum, number) => sum + number, 0);
    const done = [...good].reduce((sum, letter) => sum + (counts[letter] ?? 0), 0);
    const loud = Object.entries(counts).reduce(
      (sum, [letter, number]) => sum + (state.look(letter).role === "loud" ? number : 0),
      0,
    );
    drawStack(row.querySelector(".stack"), state, counts);
    setText(row.children[2], `${count(done)}/${count(all)}`);
    setText(row.children[3], loud ? `${count(loud)} loud` : "");
  });
  while (body.children.length > regions.length) body.lastElementChild.remove();
}

function regionRow(name, choose) {
  const button = h("button", { type: "button", title: "Show its sites" }, name);
  button.addEventListener("click", () => choose(name));
  return h(
    "tr",
    { "data-name": name },
    h("th", { scope: "row" }, button),
    h("td", {}, h("div", { class: "stack", role: "img" })),
    h("td", { class: "n" }),
    h("td", { class: "n alarm-words" }),
  );
}

export class Tail {
  constructor(state, open) {
    this.state = state;
    this.open = open;
    this.list = byId("tail");
    this.paused = false;
    this.newest = -1;
    byId("tail-find").addEventListener("input", () => this.draw(true));
    byId("tail-level").addEventListener("change", () => this.draw(true));
    byId("tail-pause").addEventListener("click", (event) => {
      this.paused = !this.paused;
      event.currentTarget.setAttribute("aria-pressed", String(this.paused));
      this.draw(true);
    });
  }

  // Puts new rows on top; draws all of them anew when the filter or the drill changed.
  draw(anew = false) {
    if (this.paused && !anew) return this.#words();
    const level = Number(byId("tail-level").value);
    const wanted = byId("tail-find").value.trim().toLowerCase();
    if (anew) this.newest = -1;
    const rows = this.state.rows.filter(
      (row) =>
        row[0] > this.newest &&
        row[2] >= level &&
        (!wanted || `${row[3]} ${row[4]} ${row[5]}`.toLowerCase().includes(wanted)),
    );
    const items = rows.slice(-SHOWN_MAX).reverse().map(line);
    if (anew) this.list.replaceChildren(...items);
    else this.list.prepend(...items);
    while (this.list.children.length > SHOWN_MAX) this.list.lastElementChild.remove();
    if (this.state.rows.length) [this.newest] = this.state.rows[this.state.rows.length - 1];
    return this.#words();
  }

  #words() {
    const said = [];
    if (this.paused) said.push("Paused: new events wait.");
    if (!this.list.children.length) said.push("No event matches.");
    if (this.state.skipped) said.push(`${count(this.state.skipped)} lines of detail were not sent here; the log has them.`);
    setText(byId("tail-words"), said.join(" "));
  }
}

function line([, timestamp, level, action, site, message]) {
  const said = site && message.startsWith(`${site}: `) ? message.slice(site.length + 2) : message;
  return h(
    "li",
    { class: `v-${level}` },
    h("time", { datetime: timestamp, title: timestamp }, timestamp.slice(11, 21)),
    h("span", { class: "level" }, LEVELS[level]),
    h("code", {}, action),
    h("span", { class: "site" }, site),
    h("span", { class: "message" }, said),
  );
}
