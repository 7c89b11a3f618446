// The driver's own page: what runs now, and what was.

import { get } from "./api.js";
import { clone, text } from "./dom.js";
import { duration, kwh, moment, money } from "./format.js";
import { listen } from "./live.js";
import { addNotice, refreshNotices } from "./notices.js";
import { MySessions, OPEN } from "./mine.js";

const now = new MySessions(document.getElementById("now"));
const past = document.getElementById("past");
const sessions = new Map();

listen(refresh, {
  session(session) {
    sessions.set(session.id, session);
    now.show(session);
    showPast();
  },
  notification: addNotice,
});

async function refresh() {
  const found = await get("/api/v1/sessions?limit=50");
  sessions.clear();
  found.sessions.forEach((session) => sessions.set(session.id, session));
  now.replace(found.sessions.filter((session) => OPEN.includes(session.state)));
  showPast();
  await refreshNotices();
}

function showPast() {
  const over = [...sessions.values()].filter((session) => !OPEN.includes(session.state));
  over.sort((a, b) => (a.id < b.id ? 1 : -1));
  past.replaceChildren(...over.map(row));
  if (over.length === 0) past.textContent = "No session yet.";
}

function row(session) {
  const line = clone("session-past");
  const began = session.started_at ?? session.created_at;
  const took = session.ended_at ? `, ${duration(new Date(began), new Date(session.ended_at))}` : "";
  text(line, "place", session.evse === null ? session.station : `${session.station}, EVSE ${session.evse}`);
  const cost = money(session.cost, session.currency);
  text(line, "energy", `${kwh(session.energy_wh)} kWh${cost && ` · ${cost}`}`);
  text(line, "when", `${moment(began)}${took}`);
  text(line, "state", session.state === "failed" ? "did not begin" : "");
  return line;
}
