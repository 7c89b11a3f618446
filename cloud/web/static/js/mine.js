// A driver's session that is not over, as a card.

import { post } from "./api.js";
import { clone, notice, part, pill, show, text } from "./dom.js";
import { kw, kwh, moment, money, percent } from "./format.js";

export const OPEN = ["pending", "charging", "suspended"];

const HINTS = {
  pending: "Plug in your vehicle to begin.",
  suspended: "Connected; no power is flowing at the moment.",
};

export class MySessions {
  constructor(place) {
    this.place = place;
    this.cards = new Map();
  }

  replace(sessions) {
    this.cards.clear();
    this.place.replaceChildren();
    sessions.forEach((session) => this.show(session));
  }

  // Add a session, bring its card up to date, or take it away when it is over.
  show(session) {
    let card = this.cards.get(session.id);
    if (!OPEN.includes(session.state)) {
      card?.remove();
      this.cards.delete(session.id);
      return;
    }
    if (!card) {
      card = clone("session-now");
      part(card, "stop").addEventListener("click", () => stop(card, session.id));
      this.cards.set(session.id, card);
      this.place.append(card);
    }
    text(card, "place", session.evse === null ? session.station : `${session.station}, EVSE ${session.evse}`);
    pill(card, "state", session.state);
    text(card, "energy", kwh(session.energy_wh));
    text(card, "power", `${kw(session.power_w ?? 0)} kW`);
    text(card, "soc", session.soc_pct === null ? "–" : percent(session.soc_pct));
    text(card, "cost", money(session.cost, session.currency));
    show(part(card, "costing"), session.cost !== null);
    text(card, "started", moment(session.started_at ?? session.created_at));
    show(text(card, "hint", HINTS[session.state] ?? ""), session.state in HINTS);
    // Before the station has begun there is nothing to stop: it gives up by itself.
    show(part(card, "stop"), session.transaction_id !== null);
  }
}

async function stop(card, id) {
  const button = part(card, "stop");
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  notice(part(card, "problem"), null);
  try {
    await post(`/api/v1/sessions/${id}/stop`);
  } catch (problem) {
    notice(part(card, "problem"), problem.message);
  } finally {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
}
