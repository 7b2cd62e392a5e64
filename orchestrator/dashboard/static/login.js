// Logs in with the token of the link, or the one that is typed.
import { byId, setText } from "./dom.js";

async function login(token) {
  setText(byId("wrong"), "");
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    const { error } = await answer.json();
    setText(byId("wrong"), `Not logged in: ${error}.`);
  } catch {
    setText(byId("wrong"), "The server does not answer.");
  }
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  login(byId("token").value.trim());
});

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  history.replaceState(null, "", "/login"); // out of sight, and out of the browser's history
  login(given);
} else {
  byId("token").focus();
}
