// Two staircases with a band between: at most, and at least, how many sites were as ordered by when.
import { byId, s, setText } from "./dom.js";
import { clock, count, length, percent, sites } from "./words.js";

const HEIGHT = 232;
const EDGE = { left: 46, right: 14, top: 18, bottom: 24 };
const STEPS = [1, 2, 5];

export function drawCurve(state, curve) {
  const place = byId("curve");
  const width = Math.max(260, place.clientWidth || 600);
  const span = reach(state, curve);
  const x = (ms) => EDGE.left + (Math.min(ms, span) / span) * (width - EDGE.left - EDGE.right);
  const y = (share) => HEIGHT - EDGE.bottom - share * (HEIGHT - EDGE.top - EDGE.bottom);
  const words = inWords(curve);
  const svg = s("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": words });
  axes(svg, x, y, span, width);
  const nowMs = elapsed(state, curve);
  const end = curve.over || nowMs === null ? span : Math.max(nowMs, last(curve.latest), last(curve.earliest));
  const early = stairs(curve.earliest, curve.sites, end);
  const late = stairs(curve.latest, curve.sites, end);
  const path = (points) => points.map(([ms, share]) => `${x(ms).toFixed(1)},${y(share).toFixed(1)}`).join(" ");
  if (curve.seen) {
    svg.append(
      s("polygon", { class: "band", points: `${path(early)} ${path([...late].reverse())}` }),
      s("polyline", { class: "earliest", points: path(early) }),
      s("polyline", { class: "latest", points: path(late), "data-seen": curve.seen }),
    );
  }
  limit(svg, x, y, curve, width);
  if (nowMs !== null && nowMs <= span) {
    svg.append(s("line", { class: "now", x1: x(nowMs), x2: x(nowMs), y1: y(1), y2: y(0) }));
  }
  place.replaceChildren(svg);
  setText(byId("curve-words"), words);
  setText(byId("curve-title"), `${curve.word[0].toUpperCase()}${curve.word.slice(1)} over time`);
}

const last = (points) => (points.length ? points[points.length - 1][0] : 0);

function elapsed(state, curve) {
  return curve.ordered_ms === null || curve.over ? null : Math.max(0, state.now() - curve.ordered_ms);
}

// How much time is drawn: the limit is always in it, and every site that was seen.
function reach(state, curve) {
  const waiting = Math.min(elapsed(state, curve) ?? 0, curve.limit_ms * 3);
  return Math.max(curve.limit_ms, last(curve.latest), waiting, 1) * 1.12;
}

function stairs(points, all, end) {
  const found = [[0, 0]];
  let share = 0;
  for (const [ms, number] of points) {
    found.push([ms, share]);
    share = number / all;
    found.push([ms, share]);
  }
  found.push([Math.max(end, last(points)), share]);
  return found;
}

function axes(svg, x, y, span, width) {
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(
      s("line", { class: share ? "rule" : "axis", x1: EDGE.left, x2: width - EDGE.right, y1: y(share), y2: y(share) }),
      s("text", { x: EDGE.left - 8, y: y(share) + 4, "text-anchor": "end" }, `${share * 100}%`),
    );
  }
  const step = tick(span, Math.max(3, Math.floor(width / 95)));
  for (let ms = 0; ms <= span; ms += step) {
    svg.append(
      s("line", { class: "axis", x1: x(ms), x2: x(ms), y1: y(0), y2: y(0) + 4 }),
      s("text", { x: x(ms), y: HEIGHT - 6, "text-anchor": "middle" }, length(ms)),
    );
  }
}

function tick(span, most) {
  for (let power = 10; ; power *= 10) {
    for (const step of STEPS) {
      if (span / (step * power) <= most) return step * power;
    }
  }
}

function limit(svg, x, y, curve, width) {
  const at = x(curve.limit_ms);
  const flip = at > width - 110;
  svg.append(
    s("line", { class: "limit", x1: at, x2: at, y1: y(1) - 6, y2: y(0) }),
    s(
      "text",
      { class: "limit-words", x: flip ? at - 6 : at + 6, y: y(1) - 7, "text-anchor": flip ? "end" : "start" },
      `limit ${length(curve.limit_ms)}`,
    ),
  );
}

function inWords(curve) {
  if (curve.nothing_to_time) return "This step gives orders that must do nothing, so there is nothing to time.";
  if (curve.ordered_ms === null) return "Not ordered yet.";
  const head = `Ordered at ${clock(curve.ordered_ms)} UTC.`;
  if (!curve.seen) return `${head} No quorum has seen a site ${curve.word} yet.`;
  const slowest = `the slowest of them within ${(Math.ceil(last(curve.latest) / 10) / 100).toFixed(2)} s`;
  return (
    `${head} ${count(curve.in_time)} of ${sites(curve.sites)} (${percent(curve.in_time, curve.sites)}%) proved ` +
    `${curve.word} within the limit of ${length(curve.limit_ms)}; ${count(curve.seen)} seen in all, ${slowest}. ` +
    "Solid: at the latest. Dashed: at the earliest."
  );
}
