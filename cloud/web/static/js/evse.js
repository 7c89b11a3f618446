// The page behind the QR code of an EVSE: start here, and see one's own session here.

import { get, post } from "./api.js";
import { notice } from "./dom.js";
import { listen } from "./live.js";
import { MySessions, OPEN } from "./mine.js";

const place = document.getElementById("evse").dataset;
const number = Number(place.number);
const start = document.getElementById("start");
const problem = document.getElementById("problem");
const now = new MySessions(document.getElementById("now"));
const status = document.getElementById("status");
let evse = { status: status.dataset.is, detail: document.getElementById("detail").textContent };
let mine = null; // the id of the session that is shown

update(); // the button comes disabled: a touch before this script is here would be lost

start.addEventListener("click", async () => {
  start.setAttribute("aria-busy", "true");
  start.disabled = true;
  notice(problem, null);
  try {
    const soc = document.getElementById("soc")?.valueAsNumber; // not a number where nothing was typed
    show(await post("/api/v1/sessions", { evse: place.evse, ...(soc >= 0 && { soc_pct: soc }) }));
  } catch (error) {
    notice(problem, error.message);
  } finally {
    start.removeAttribute("aria-busy");
    update();
  }
});

listen(refresh, {
  session: show,
  evse(station) {
    if (station.id !== place.station) return;
    evse = station.evses.find((part) => part.number === number) ?? evse;
    update();
  },
});

async function refresh() {
  evse = await get(`/api/v1/evses/${place.code}`);
  // The one that is shown may have ended unseen.
  const session = evse.session_id ?? mine;
  if (session) show(await get(`/api/v1/sessions/${session}`));
  update();
}

function show(session) {
  if (session.station !== place.station || session.evse !== number) return;
  now.show(session);
  if (OPEN.includes(session.state)) mine = session.id;
  else if (mine === session.id) mine = null;
  update();
}

function update() {
  status.textContent = status.dataset.is = evse.status;
  document.getElementById("detail").textContent = evse.status === "inoperative" ? evse.detail : "";
  start.hidden = mine !== null;
  start.disabled = evse.status === "inoperative" || start.hasAttribute("aria-busy");
}
