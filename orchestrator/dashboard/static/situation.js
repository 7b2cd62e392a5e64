// The top of the page: what the drill is doing, how many of how many, what is due, who is in trouble.
import { byId, h, setText } from "./dom.js";
import { drawKey, drawStack } from "./stacks.js";
import { clock, count, day, sites, span } from "./words.js";

const SHOUT = { good: "r-good", halted: "r-halted", going: "r-going", bad: "r-bad", loud: "r-loud", idle: "r-idle" };

export function drawSituation(state, aborting) {
  const { data } = state;
  const { head } = data;
  const kicker = byId("kicker");
  kicker.replaceChildren(
    h("span", { class: "tag" }, "exercise"),
    ...(head.demo ? [h("span", { class: "tag" }, "demo fleet")] : []),
    `${head.title} · ${head.where} · since ${day(head.opened_ms)} ${clock(head.opened_ms)} UTC`,
  );
  const badge = `state ${SHOUT[head.role] ?? "r-idle"}`;
  const title = byId("title");
  const words = sentence(state);
  if (title.dataset.shown !== badge + head.state + words) {
    title.dataset.shown = badge + head.state + words;
    title.replaceChildren(h("span", { class: badge }, head.state), words);
  }
  setText(byId("sentence"), details(head));
  const [done, of, word] = data.score;
  setText(byId("score-word"), word);
  setText(byId("score-done"), count(done));
  setText(byId("score-of"), `of ${count(of)}`);
  setText(byId("trouble"), count(data.loud));
  setText(byId("trouble-more"), data.failed ? `+ ${count(data.failed)} failing` : "");
  byId("trouble-box").classList.toggle("alarm", data.loud > 0);
  drawStack(byId("bar"), state, data.counts);
  drawKey(byId("bar-key"), state, data.counts);
  drawAbort(state, aborting);
  document.title = `${data.loud ? `(${data.loud}!) ` : ""}${head.state} ${done}/${of} · haltdrill`;
}

function sentence(state) {
  const { head, score } = state.data;
  if (head.passed === true) return "Every site did all that was asked, with evidence.";
  if (head.ended_ms !== null) return `${count(score[0])} of ${sites(score[1])} did all that was asked.`;
  const said = head.phase_words;
  return `${said[0].toUpperCase()}${said.slice(1)}.`;
}

function details(head) {
  const parts = [`${head.id}, use ${head.use} of ${head.uses}, approved by ${head.approved_by.join(", ")}`];
  if (head.aborted !== null) parts.unshift(`Aborted: ${head.aborted}`);
  if (head.resumed) parts.push(`orchestrator restarted ${head.resumed === 1 ? "once" : `${head.resumed} times`}`);
  if (head.rejected) parts.push(`${count(head.rejected)} rejected inputs`);
  return parts.join(" · ");
}

// Called every quarter of a second; with the connection lost nothing counts on, as nobody knows.
export function drawDue(state, lost) {
  const { head, deadline } = state.data;
  const box = byId("due-box");
  let word = "last line";
  let text = `${span(state.now() - head.newest_ms)} ago`;
  let loud = false;
  if (head.ended_ms !== null) {
    word = "took";
    text = span(head.ended_ms - head.opened_ms);
  } else if (deadline && lost) {
    word = deadline.what === "release" ? "release was due at" : "all back were due by";
    text = clock(deadline.at_ms);
  } else if (deadline) {
    const left = deadline.at_ms - state.now();
    const over = -left > deadline.grace_ms;
    loud = over;
    if (deadline.what === "release") word = over ? "release overdue by" : "release in";
    else word = over ? "restore limit passed" : "all back within";
    text = left > 0 ? span(left + 999) : over ? span(-left) : "now";
  } else if (lost) {
    text = clock(head.newest_ms);
  }
  setText(byId("due-word"), word);
  setText(byId("due"), text);
  box.classList.toggle("alarm", loud);
  box.classList.toggle("stale", word === "last line" || (lost && head.ended_ms === null));
}

function drawAbort(state, aborting) {
  const button = byId("abort");
  const { head } = state.data;
  let why = aborting.whyNot;
  if (head.ended_ms !== null) why = "This drill is over.";
  else if (head.aborted !== null) why = "Aborted already.";
  button.setAttribute("aria-disabled", String(Boolean(why)));
  setText(byId("abort-why"), why);
}
