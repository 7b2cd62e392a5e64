// The list of drills and the coverage matrix: asked for when they are looked at.
import { byId, h, setText } from "./dom.js";
import { clock, count, day, sites, span } from "./words.js";

const ROWS = 300;

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

export async function drawDrills() {
  try {
    const { drills, drills_total: total } = await ask("/api/drills");
    const more = total > drills.length ? ` The newest ${count(drills.length)} are listed.` : "";
    setText(byId("drills-words"), `${count(total)} ${total === 1 ? "drill" : "drills"}, the newest first.${more}`);
    byId("drills").replaceChildren(...drills.map(drillRow));
  } catch (error) {
    setText(byId("drills-words"), `They cannot be listed: ${error.message}.`);
  }
}

function drillRow(one) {
  const verdicts = Object.entries(one.verdicts)
    .map(([verdict, number]) => `${count(number)} ${verdict.replaceAll("_", " ")}`)
    .join(", ");
  const took = one.ended_ms === null ? "running" : `took ${span(one.ended_ms - one.opened_ms)}`;
  return h(
    "tr",
    {},
    h("td", {}, `${day(one.opened_ms)} ${clock(one.opened_ms)}`, h("small", {}, took)),
    h("th", { scope: "row" }, h("a", { href: `#/drill/${one.id}` }, one.title), h("small", {}, one.id)),
    h("td", { class: "wrap" }, one.steps.join(", ")),
    h("td", { class: "n" }, count(one.sites)),
    h("td", {}, h("span", { class: `verdict-tag r-${one.role}` }, one.state)),
    h("td", { class: "wrap" }, verdicts || "none yet"),
  );
}

const BAD = { ok: "good", ar: "bad", OD: "bad", LA: "bad", UN: "bad", never: "idle", "n/a": "idle" };

export class Coverage {
  constructor() {
    this.data = null;
    byId("coverage-find").addEventListener("input", () => this.#rows());
  }

  async draw() {
    try {
      this.data = await ask("/api/coverage");
    } catch (error) {
      setText(byId("coverage-words"), `It cannot be computed: ${error.message}.`);
      return;
    }
    const { headline, controls, drills, aborted, open, meanings } = this.data;
    const apart = [[aborted, "aborted"], [open, "open"]].filter(([number]) => number).map((pair) => pair.join(" "));
    const from = `From ${count(drills)} ${drills === 1 ? "drill" : "drills"}${apart.length ? ` (${apart.join(" and ")}, not counted)` : ""}.`;
    setText(byId("coverage-words"), headline ? `${headline} ${from}` : "No drill of this log has come to its end yet.");
    byId("coverage-head").replaceChildren(
      h("tr", {}, h("th", { scope: "col" }, "Site"), ...controls.map((name) => h("th", { scope: "col" }, name))),
    );
    byId("coverage-key").replaceChildren(
      ...Object.entries(meanings).map(([code, words]) => h("li", {}, tag(code), words)),
    );
    this.#rows();
  }

  #rows() {
    if (!this.data) return;
    const wanted = byId("coverage-find").value.trim().toLowerCase();
    const rows = this.data.rows.filter(([name]) => name.toLowerCase().includes(wanted));
    byId("coverage").replaceChildren(
      ...rows.slice(0, ROWS).map(([name, ...cells]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          ...cells.map(([code, figures, said]) =>
            h("td", said ? { title: said } : {}, code ? tag(code) : "", figures ? h("small", {}, figures) : ""),
          ),
        ),
      ),
    );
    const more = rows.length - ROWS;
    setText(byId("coverage-more"), more > 0 ? `${sites(more)} more, which need it less: find them by name.` : "");
  }
}

const tag = (code) => h("span", { class: `verdict-tag r-${BAD[code] ?? "loud"}` }, code);
