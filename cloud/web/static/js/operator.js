// The operator's page: what is known is in two maps, what is shown follows from them.

import { get } from "./api.js";
import { PowerChart } from "./chart.js";
import { notice } from "./dom.js";
import { kw } from "./format.js";
import { listen } from "./live.js";
import { SessionTable } from "./sessions.js";
import { StationCards } from "./stations.js";

const OPEN = ["pending", "charging", "suspended"];
const RECENT = 20;
const TICK_MS = 2000;
const LOOK_MS = 30000;

const stations = new Map();
const sessions = new Map();
const cards = new StationCards(document.getElementById("stations"));
const table = new SessionTable(document.getElementById("sessions"), RECENT, say);
const chart = new PowerChart(document.getElementById("chart"));

listen(refresh, {
  evse(station) {
    stations.set(station.id, station);
    cards.show(station, sessions);
    totals();
  },
  session(session) {
    sessions.set(session.id, session);
    table.show(session);
    const station = stations.get(session.station);
    if (station) cards.show(station, sessions);
    totals();
  },
});

setInterval(() => {
  chart.add(powers());
  table.tick();
}, TICK_MS);

// A station that falls silent changes by the clock alone: no event tells of it.
setInterval(() => look().catch(() => {}), LOOK_MS);

async function refresh() {
  const [found, recent, open, history] = await Promise.all([
    get("/api/v1/stations"),
    get(`/api/v1/sessions?limit=${RECENT}`),
    get(`/api/v1/sessions?limit=500&status=${OPEN}`),
    get("/operator/power"),
  ]);
  stations.clear();
  sessions.clear();
  found.stations.forEach((station) => stations.set(station.id, station));
  [...open.sessions, ...recent.sessions].forEach((session) => sessions.set(session.id, session));
  cards.replace([...stations.values()], sessions);
  table.replace([...sessions.values()]);
  chart.load(history);
  totals();
  say(null);
}

async function look() {
  const { stations: found } = await get("/api/v1/stations");
  found.forEach((station) => {
    stations.set(station.id, station);
    cards.show(station, sessions);
  });
  totals();
}

function running() {
  return [...sessions.values()].filter((session) => OPEN.includes(session.state));
}

// What each station gives now, in W.
function powers() {
  const result = new Map();
  for (const session of running()) {
    result.set(session.station, (result.get(session.station) ?? 0) + (session.power_w ?? 0));
  }
  return result;
}

function totals() {
  const all = [...stations.values()];
  const evses = all.flatMap((station) => station.evses);
  const power = [...powers().values()].reduce((sum, value) => sum + value, 0);
  fill("total-power", kw(power), " kW");
  fill("total-charging", running().filter((session) => session.state === "charging").length);
  fill("total-available", evses.filter((evse) => evse.status === "available").length, ` of ${evses.length}`);
  fill("total-online", all.filter((station) => station.online).length, ` of ${all.length}`);
}

function fill(id, value, unit = "") {
  const small = document.createElement("small");
  small.textContent = unit;
  document.getElementById(id).replaceChildren(String(value), small);
}

function say(message) {
  notice(document.getElementById("notice"), message);
}
