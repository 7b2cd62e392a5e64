// What the page knows, as the server last said it. Messages are applied here and nowhere else.

const ROWS_MAX = 2000;

export class State {
  constructor() {
    this.drill = null; // the id of the drill that is shown
    this.data = null; // the newest message's fields about it
    this.names = [];
    this.regionNames = [];
    this.regionOf = [];
    this.letters = [];
    this.rows = []; // events, oldest first
    this.skipped = 0;
    this.legend = new Map();
    this.log = null;
    this.skewMs = 0; // the server's clock minus ours
    this.position = "";
    this.heardMs = null; // the server's time of the newest message
    this.cursor = new Map();
  }

  now() {
    return Date.now() + this.skewMs;
  }

  // Applies one message; returns the places of the sites that it changed, or null for all of them.
  take(kind, message, position) {
    this.skewMs = message.at_ms - Date.now();
    this.heardMs = message.at_ms;
    if (message.log) this.log = message.log;
    if (kind !== "snapshot" && kind !== "delta") return [];
    this.position = position;
    this.data = message;
    if (kind === "snapshot") return this.#begin(message);
    this.rows = this.rows.concat(message.rows).slice(-ROWS_MAX);
    this.skipped += message.skipped;
    const changed = [];
    for (const [letter, places] of Object.entries(message.cells)) {
      for (const place of places) {
        if (this.letters[place] !== letter) changed.push(place);
        this.letters[place] = letter;
      }
    }
    return changed;
  }

  #begin(message) {
    this.drill = message.drill;
    this.names = message.names;
    this.regionNames = message.region_names;
    this.regionOf = message.region_of;
    this.letters = Array.from(message.letters);
    this.rows = message.rows;
    this.skipped = message.skipped;
    this.legend = new Map(
      message.legend.map(([letter, word, role, meaning], rank) => [letter, { word, role, meaning, rank }]),
    );
    this.legend.set("^", { word: "climbed", role: "going", meaning: "ordered a harsher rung", rank: 10.5 });
    return null;
  }

  look(letter) {
    return this.legend.get(letter) ?? { word: "unknown", role: "idle", meaning: "", rank: 0 };
  }

  isOpen() {
    return this.data !== null && this.data.head.ended_ms === null;
  }
}
