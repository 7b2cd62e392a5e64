// The connection: server-sent events that are opened again by themselves, and a watch over their silence.

const SILENT_MS = 7000; // the server says something every two seconds
const RETRY_MS = 1000;
const RETRY_MAX_MS = 8000;

export class Stream {
  // on: { message(kind, data, id), lost(), refused(status, why) }
  constructor(on) {
    this.on = on;
    this.source = null;
    this.heard = 0;
    this.retryMs = RETRY_MS;
    this.timer = 0;
    this.watch = setInterval(() => this.#listen(), 1000);
  }

  // Follows a drill from a position; an empty drill is the newest.
  open(drill, position) {
    clearTimeout(this.timer);
    this.drill = drill;
    this.position = position;
    this.source?.close();
    this.heard = Date.now();
    const query = new URLSearchParams({ drill, since: position });
    const source = new EventSource(`/api/events?${query}`);
    this.source = source;
    for (const kind of ["snapshot", "delta", "log", "beat"]) {
      source.addEventListener(kind, (event) => {
        if (source !== this.source) return;
        this.heard = Date.now();
        this.retryMs = RETRY_MS;
        if (event.lastEventId) this.position = event.lastEventId;
        this.on.message(kind, JSON.parse(event.data), event.lastEventId);
      });
    }
    source.addEventListener("error", () => {
      if (source === this.source) this.#again();
    });
  }

  #listen() {
    if (this.source && Date.now() - this.heard > SILENT_MS) this.#again();
  }

  // Opens it anew from the last position. Why it failed the event source doesn't say, so that is asked.
  async #again() {
    this.source?.close();
    this.source = null;
    this.on.lost();
    clearTimeout(this.timer);
    const { drill } = this;
    this.timer = setTimeout(() => this.open(drill, this.position), this.retryMs);
    this.retryMs = Math.min(RETRY_MAX_MS, this.retryMs * 1.6);
    try {
      const answer = await fetch("/api/hello", { cache: "no-store" });
      if (answer.status === 401) this.on.refused(401);
    } catch {
      // Nobody answers: that is what the page says already.
    }
  }
}
