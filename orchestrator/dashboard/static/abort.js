// Aborting: one question that says what will happen, and an answer that says what did.
import { byId, h, setText } from "./dom.js";
import { sites } from "./words.js";

export class Aborting {
  constructor(state) {
    this.state = state;
    this.proof = "";
    this.whyNot = "Asking whether this server may…";
    this.drill = null;
    this.dialog = byId("confirm");
    byId("abort").addEventListener("click", () => this.ask());
    byId("confirm-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  // Learns what this page may do. After a restart of the server it is asked again.
  async hello() {
    try {
      const answer = await fetch("/api/hello");
      if (!answer.ok) return;
      const said = await answer.json();
      this.proof = said.proof;
      this.whyNot = said.can_abort ? "" : "Started without --fleet, so it only shows.";
    } catch {
      // The stream notices that nobody answers.
    }
  }

  ask() {
    if (byId("abort").getAttribute("aria-disabled") === "true") return;
    const { head } = this.state.data;
    this.drill = head.id;
    byId("confirm-words").replaceChildren(
      h("p", {}, h("b", {}, head.title), ` (${head.id})`),
      h("p", {}, `All ${sites(head.sites)} are told to restore now. This use of the warrant can order nothing ever again: it ends the drill for good, and the drill does not pass.`),
      h("p", {}, "Witnesses go on watching until the sites are back."),
    );
    this.#result("", false);
    setText(byId("confirm-title"), "Abort this drill?");
    byId("confirm-yes").hidden = false;
    byId("confirm-yes").disabled = false;
    byId("reason").disabled = false;
    setText(byId("confirm-no"), "Keep the drill running");
    this.dialog.showModal();
    byId("reason").focus();
  }

  async #send() {
    const reason = byId("reason").value.trim();
    if (!reason) return;
    byId("confirm-yes").disabled = true;
    byId("reason").disabled = true;
    this.#result("Sending…", false);
    try {
      const answer = await fetch("/api/abort", {
        method: "POST",
        headers: { "content-type": "application/json", "x-haltdrill-proof": this.proof },
        body: JSON.stringify({ drill: this.drill, reason }),
      });
      const said = await answer.json();
      if (answer.ok) {
        this.#result(said.sentences.join(" "), !said.noted);
        byId("confirm-yes").hidden = true;
        setText(byId("confirm-title"), "Abort sent");
        setText(byId("confirm-no"), "Close");
        byId("confirm-no").focus();
        return;
      }
      this.#result(`Nothing was aborted: ${said.error}`, true);
    } catch {
      this.#result("The server does not answer, so nobody knows whether it was sent. Use: haltdrill abort", true);
    }
    byId("confirm-yes").disabled = false;
    byId("reason").disabled = false;
  }

  #result(words, bad) {
    byId("confirm-result").classList.toggle("bad", bad);
    setText(byId("confirm-result"), words);
  }
}
