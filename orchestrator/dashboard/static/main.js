// Puts the page together: one state, one stream, and what draws them.
import { Aborting } from "./abort.js";
import { drawCurve } from "./curve.js";
import { byId, h, setText } from "./dom.js";
import { Grid } from "./grid.js";
import { drawProblems, drawRegions, Tail } from "./lists.js";
import { Coverage, drawDrills } from "./pages.js";
import { SiteDialog } from "./site.js";
import { drawDue, drawSituation } from "./situation.js";
import { State } from "./state.js";
import { Stream } from "./stream.js";
import { startTheme } from "./theme.js";
import { clock, span } from "./words.js";

const QUIET_MS = 120_000;

const state = new State();
const site = new SiteDialog(state);
const aborting = new Aborting(state);
const open = (name) => site.open(name);
const grid = new Grid(state, { open });
const tail = new Tail(state, open);
const coverage = new Coverage();
let lost = true;
let loudBefore = null;
let pastCurve = null; // of a step that is over and was chosen

const stream = new Stream({
  message(kind, data, position) {
    if (lost) aborting.hello().then(() => state.data && drawSituation(state, aborting));
    lost = false;
    const changed = state.take(kind, data, position);
    if (kind === "snapshot" || kind === "delta") draw(kind, changed);
    drawLink(data.missing);
  },
  lost() {
    lost = true;
    drawLink();
  },
  refused() {
    location.replace("/login");
  },
});

function draw(kind, changed) {
  if (kind === "snapshot") {
    loudBefore = null;
    pastCurve = null;
    drawSteps();
  }
  drawSituation(state, aborting);
  drawProblems(state, open);
  drawRegions(state, choose);
  drawCurves();
  grid.take(changed);
  tail.draw(kind === "snapshot");
  tellLoud();
  if (site.name !== null && (changed === null || state.data.cells)) site.refresh();
  drawDue(state, lost);
  byId("page-live").dataset.serial = String(state.data.serial);
}

function drawCurves() {
  const wanted = byId("curve-step").value;
  const running = state.data.curve.step;
  if (wanted === "" || Number(wanted) === running) drawCurve(state, state.data.curve);
  else if (pastCurve?.step === Number(wanted)) drawCurve(state, pastCurve);
}

function drawSteps() {
  const select = byId("curve-step");
  const { steps } = state.data.head;
  select.hidden = steps.length < 2;
  select.replaceChildren(
    h("option", { value: "" }, state.isOpen() ? "running step" : "last step"),
    ...steps.map((step, at) => h("option", { value: at }, `${at + 1}: ${step.control}`)),
  );
}

byId("curve-step").addEventListener("change", async (event) => {
  const step = event.currentTarget.value;
  if (step !== "") {
    const query = new URLSearchParams({ drill: state.drill, step });
    try {
      const answer = await fetch(`/api/curve?${query}`);
      if (answer.ok) pastCurve = await answer.json();
    } catch {
      return;
    }
  }
  if (state.data) drawCurves();
});

function choose(region) {
  const find = byId("find");
  find.value = find.value === region ? "" : region;
  grid.arrange();
  find.focus();
}

// A reader of the screen is told of new trouble at once, and only of what is new.
function tellLoud() {
  const loud = new Set(
    state.data.problems
      .filter(([, letter]) => state.look(letter).role === "loud")
      .map(([place, letter]) => `${state.names[place]}: ${state.look(letter).word}`),
  );
  if (loudBefore !== null) {
    const fresh = [...loud].filter((words) => !loudBefore.has(words)).slice(0, 5);
    const place = byId("loud");
    place.append(...fresh.map((words) => h("p", {}, words)));
    while (place.children.length > 10) place.firstElementChild.remove();
  }
  loudBefore = loud;
}

function drawLink(missing) {
  const link = byId("link");
  const { log } = state;
  const reading = log?.reading ?? false;
  link.className = `link ${lost ? "lost" : reading ? "" : "live"}`;
  let words = "Connecting";
  if (lost && state.heardMs !== null) words = "Connection lost";
  else if (!lost && reading) words = `Reading the log: ${Math.floor((100 * log.read_bytes) / Math.max(1, log.size_bytes))}%`;
  else if (!lost) words = state.isOpen() ? "Live" : "Following";
  setText(byId("link-words"), words);
  const notice = byId("lost");
  const shown = [];
  if (lost && state.heardMs !== null) shown.push(`Connection lost, trying again. Showing the state of ${clock(state.heardMs)} UTC.`);
  if (!lost && log?.trouble) shown.push(state.data ? `${log.trouble}. Showing what was read before.` : "");
  const text = shown.filter(Boolean).join(" ");
  setText(notice, text);
  notice.hidden = !text;
  drawNotes(log, missing);
  if (!state.data) {
    setText(byId("title"), reading ? "Reading the log" : "Waiting for a drill");
    setText(byId("sentence"), missing ? `There is no drill ${missing} in this log.` : (log?.trouble ?? ""));
  }
}

function drawNotes(log, missing) {
  const said = [...(log?.wrong ?? [])];
  if (missing && state.data) said.push(`There is no drill ${missing} in this log.`);
  const notes = byId("notes");
  if (notes.dataset.shape === said.join("\n")) return;
  notes.dataset.shape = said.join("\n");
  notes.replaceChildren(...said.map((words) => h("li", {}, `Note: ${words}.`)));
  notes.hidden = said.length === 0;
}

function beat() {
  if (!state.data) return;
  drawDue(state, lost);
  if (lost || !state.isOpen()) return;
  const quiet = state.now() - state.data.head.newest_ms;
  const link = byId("link");
  link.classList.toggle("quiet-log", quiet > QUIET_MS); // silence is no success
  link.classList.toggle("live", quiet <= QUIET_MS);
  setText(byId("link-words"), quiet > 10_000 ? `Live, last line ${span(quiet)} ago` : "Live");
  const { curve } = state.data;
  if (curve.ordered_ms !== null && !curve.over && !byId("page-live").hidden) drawCurves();
}

const PAGES = ["live", "drills", "coverage"];
let followed = null;

function route() {
  const [, page = "", name = ""] = location.hash.split("/");
  const shown = PAGES.includes(page) ? page : "live";
  for (const known of PAGES) {
    byId(`page-${known}`).hidden = known !== shown;
    const link = document.querySelector(`nav [data-page="${known}"]`);
    const current = known === shown && page !== "drill";
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "drills") drawDrills();
  if (shown === "coverage") coverage.draw();
  const wanted = page === "drill" ? decodeURIComponent(name) : "";
  if (shown === "live" && followed !== wanted) {
    followed = wanted;
    stream.open(wanted, state.position);
  } else if (shown === "live" && state.data) {
    grid.arrange();
    drawCurves();
  }
}

document.addEventListener("click", (event) => {
  event.target.closest?.("[data-close]")?.closest("dialog").close();
});
addEventListener("hashchange", route);
new ResizeObserver(() => state.data && drawCurves()).observe(byId("curve"));
setInterval(beat, 250);
startTheme();
route();
if (followed === null) stream.open((followed = ""), "");
