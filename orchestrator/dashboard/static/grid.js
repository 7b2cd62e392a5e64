// The sites as cells. Only the rows in view are there, so ten thousand cost as much as a hundred.
import { byId, h, setText } from "./dom.js";

const GAP = 3;
const SPARE = 3;
const TALL = 11; // rows in view

export class Grid {
  // on: { open(name) }
  constructor(state, on) {
    this.state = state;
    this.on = on;
    this.place = byId("grid");
    this.find = byId("find");
    this.order = byId("order");
    this.shown = []; // places of the sites, as they are ordered and filtered
    this.active = 0; // the cell that Tab reaches, as an index into `shown`
    this.rows = new Map();
    this.fresh = new Set();
    this.place.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.place.addEventListener("keydown", (event) => this.#key(event));
    this.place.addEventListener("click", (event) => this.#click(event));
    this.place.addEventListener("pointerover", (event) => this.#say(event.target));
    this.place.addEventListener("focusin", (event) => this.#say(event.target));
    this.find.addEventListener("input", () => this.arrange());
    this.order.addEventListener("change", () => this.arrange());
    new ResizeObserver(() => this.#layout()).observe(this.place);
  }

  // Takes changes: the places that changed, or null for all of them.
  take(changed) {
    if (changed === null) {
      this.active = 0;
      this.arrange();
      return;
    }
    changed.forEach((place) => this.fresh.add(place));
    if (changed.length && this.order.value === "loud") this.arrange();
    else this.#draw(true);
  }

  arrange() {
    const { state } = this;
    const wanted = this.find.value.trim().toLowerCase();
    const at = this.shown[this.active];
    let shown = state.names.map((_, place) => place);
    if (wanted) {
      const regions = state.regionNames.map((name) => name.toLowerCase() === wanted);
      const exact = regions.some(Boolean);
      shown = shown.filter((place) =>
        exact ? regions[state.regionOf[place]] : this.#text(place).includes(wanted),
      );
    }
    if (this.order.value === "loud") {
      const rank = (place) => state.look(state.letters[place]).rank;
      shown.sort((one, other) => rank(other) - rank(one) || one - other);
    }
    this.shown = shown;
    this.active = Math.max(0, shown.indexOf(at));
    this.#layout();
  }

  #text(place) {
    const { state } = this;
    const { word } = state.look(state.letters[place]);
    return `${state.names[place]} ${state.regionNames[state.regionOf[place]]} ${word}`.toLowerCase();
  }

  #layout() {
    this.size = matchMedia("(max-width: 560px)").matches ? 32 : 25;
    const width = this.place.clientWidth - 12;
    this.across = Math.max(1, Math.floor((width + GAP) / (this.size + GAP)));
    this.count = Math.ceil(this.shown.length / this.across);
    this.place.setAttribute("aria-rowcount", String(this.count));
    this.place.setAttribute("aria-colcount", String(this.across));
    this.place.style.height = `${Math.min(TALL, Math.max(1, this.count)) * (this.size + GAP) + 3}px`;
    this.rows.forEach((row) => row.remove());
    this.rows.clear();
    this.floor ??= h("div", { "aria-hidden": "true" });
    this.floor.style.height = `${this.count * (this.size + GAP)}px`;
    this.place.replaceChildren(this.floor);
    this.empty = this.shown.length === 0;
    if (this.empty) this.place.replaceChildren(h("p", { class: "none" }, "No site matches."));
    this.#draw();
  }

  #draw(changed = false) {
    if (this.empty || !this.count) return;
    const pitch = this.size + GAP;
    const first = Math.max(0, Math.floor(this.place.scrollTop / pitch) - SPARE);
    const end = Math.min(this.count, Math.ceil((this.place.scrollTop + this.place.clientHeight) / pitch) + SPARE);
    const held = Math.floor(this.active / this.across); // Tab must find it, wherever one has scrolled
    for (const [at, row] of this.rows) {
      if ((at < first || at >= end) && at !== held) {
        row.remove();
        this.rows.delete(at);
      } else if (changed) this.#refresh(row, at);
    }
    for (const at of new Set([held, ...Array.from({ length: end - first }, (_, more) => first + more)])) {
      if (!this.rows.has(at)) this.#add(at, pitch);
    }
    this.fresh.clear();
  }

  #add(at, pitch) {
    const cells = this.shown.slice(at * this.across, (at + 1) * this.across).map((_, more) =>
      h("button", { type: "button", role: "gridcell", tabindex: "-1", "aria-colindex": more + 1 }),
    );
    const row = h("div", { class: "run", role: "row", "aria-rowindex": at + 1 }, ...cells);
    row.style.top = `${at * pitch + 3}px`;
    this.#refresh(row, at);
    this.rows.set(at, row);
    this.place.append(row);
  }

  #refresh(row, at) {
    const { state } = this;
    [...row.children].forEach((cell, more) => {
      const index = at * this.across + more;
      const place = this.shown[index];
      const letter = state.letters[place];
      const { word, role } = state.look(letter);
      const name = `${state.names[place]}: ${word}`;
      if (cell.getAttribute("aria-label") !== name) {
        cell.textContent = letter === "." ? "·" : letter;
        cell.className = `cell r-${role}${this.fresh.has(place) ? " fresh" : ""}`;
        cell.setAttribute("aria-label", name);
        cell.dataset.index = String(index);
      }
      cell.tabIndex = index === this.active ? 0 : -1;
    });
  }

  #indexOf(target) {
    const cell = target.closest?.("[data-index]");
    return cell ? Number(cell.dataset.index) : null;
  }

  #say(target) {
    const index = this.#indexOf(target);
    if (index === null) return;
    const { state } = this;
    const place = this.shown[index];
    const { word, meaning } = state.look(state.letters[place]);
    setText(byId("grid-now"), `${state.names[place]}: ${word} (${meaning})`);
  }

  #click(event) {
    const index = this.#indexOf(event.target);
    if (index === null) return;
    this.#go(index, false);
    this.on.open(this.state.names[this.shown[index]]);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.place.clientHeight / (this.size + GAP))) * this.across;
    const end = this.shown.length - 1;
    const start = this.active - (this.active % this.across);
    const moves = {
      ArrowLeft: this.active - 1,
      ArrowRight: this.active + 1,
      ArrowUp: this.active - this.across,
      ArrowDown: this.active + this.across,
      PageUp: this.active - page,
      PageDown: this.active + page,
      Home: event.ctrlKey ? 0 : start,
      End: event.ctrlKey ? end : Math.min(end, start + this.across - 1),
    };
    if (!(event.key in moves) || this.empty) return;
    event.preventDefault();
    this.#go(Math.min(end, Math.max(0, moves[event.key])), true);
  }

  #go(index, focus) {
    this.active = index;
    const pitch = this.size + GAP;
    const top = Math.floor(index / this.across) * pitch;
    if (top < this.place.scrollTop) this.place.scrollTop = top;
    const bottom = top + pitch + 6;
    if (bottom > this.place.scrollTop + this.place.clientHeight) this.place.scrollTop = bottom - this.place.clientHeight;
    this.#draw(true);
    if (focus) this.place.querySelector(`[data-index="${index}"]`)?.focus({ preventScroll: true });
  }
}
