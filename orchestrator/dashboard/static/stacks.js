// Bars of how many sites stand where, from what asks for nothing to the loudest, and their key.
import { chip, h } from "./dom.js";
import { count } from "./words.js";

function sorted(state, counts) {
  return Object.entries(counts)
    .map(([letter, number]) => ({ letter, number, ...state.look(letter) }))
    .sort((one, other) => one.rank - other.rank);
}

export const inWords = (state, counts) =>
  sorted(state, counts)
    .reverse()
    .map(({ word, number }) => `${count(number)} ${word}`)
    .join(", ");

// Segments are kept where they can be, so that they grow instead of jumping.
export function drawStack(element, state, counts) {
  const wanted = sorted(state, counts);
  const known = new Map([...element.children].map((child) => [child.dataset.letter, child]));
  const segments = wanted.map(({ letter, number, role }) => {
    const segment = known.get(letter) ?? h("span", { "data-letter": letter, class: `r-${role}` });
    segment.style.flexGrow = String(number);
    segment.style.flexBasis = "0";
    return segment;
  });
  if (segments.length !== element.children.length || segments.some((one, at) => element.children[at] !== one)) {
    element.replaceChildren(...segments);
  }
  element.setAttribute("aria-label", inWords(state, counts) || "no sites");
}

export function drawKey(element, state, counts) {
  element.replaceChildren(
    ...sorted(state, counts)
      .reverse()
      .map(({ letter, number, word, role, meaning }) =>
        h("li", { title: meaning }, chip(letter, role), h("b", {}, count(number)), word),
      ),
  );
}
