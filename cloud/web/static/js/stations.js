// A card for each station, with a row for each EVSE.

import { clone, part, pill, show, text } from "./dom.js";
import { exact, kw, kwh, moment, percent, socket } from "./format.js";

export class StationCards {
  constructor(place) {
    this.place = place;
    this.cards = new Map();
  }

  replace(stations, sessions) {
    this.cards.clear();
    this.place.replaceChildren();
    if (stations.length === 0) this.place.textContent = "No station is registered yet.";
    stations.forEach((station) => this.show(station, sessions));
  }

  // Add a station, or bring its card up to date.
  show(station, sessions) {
    let card = this.cards.get(station.id);
    if (!card) {
      if (this.cards.size === 0) this.place.replaceChildren();
      card = clone("station-card");
      this.cards.set(station.id, card);
      this.place.append(card);
    }
    text(card, "id", station.id);
    text(card, "about", [`${station.vendor} ${station.model}`.trim(), station.firmware].filter(Boolean).join(" · "));
    pill(card, "online", station.online ? "online" : "offline");
    const since = text(card, "since", station.since ? `since ${moment(station.since)}` : "");
    since.title = station.since ? exact(station.since) : "";
    const rows = part(card, "evses");
    while (rows.children.length > station.evses.length) rows.lastElementChild.remove();
    station.evses.forEach((evse, index) => {
      if (!rows.children[index]) rows.append(clone("evse-row"));
      fill(rows.children[index], evse, sessions.get(evse.session_id));
    });
  }
}

function fill(row, evse, session) {
  text(row, "name", `EVSE ${evse.number}`);
  pill(row, "status", evse.status);
  text(row, "detail", evse.detail.toLowerCase() === evse.status ? "" : evse.detail);
  text(row, "sockets", evse.connectors.map(socket).join(", "));
  text(row, "code", evse.code).href = `/e/${evse.code}`;
  text(row, "power", session && session.power_w !== null ? `${kw(session.power_w)} kW` : "");
  show(part(row, "flow"), Boolean(session));
  if (!session) return;
  const soc = session.soc_pct;
  show(part(row, "soc"), soc !== null);
  part(row, "soc").value = soc ?? 0;
  text(row, "soc-text", soc === null ? session.state : percent(soc));
  text(row, "energy", `${kwh(session.energy_wh)} kWh`);
}
