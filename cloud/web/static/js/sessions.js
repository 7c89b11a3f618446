// The table of recent sessions, newest first.

import { post } from "./api.js";
import { clone, part, pill, show, text } from "./dom.js";
import { duration, exact, kw, kwh, moment, money, percent, reason } from "./format.js";

export class SessionTable {
  // say: shows a message to the operator, or with null takes it away.
  constructor(body, most, say) {
    this.body = body;
    this.most = most;
    this.say = say;
    this.rows = new Map();
  }

  replace(sessions) {
    this.rows.clear();
    this.body.replaceChildren();
    sessions.sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, this.most).reverse().forEach((session) => this.show(session));
    if (sessions.length === 0) this.body.innerHTML = '<tr><td colspan="10" class="muted">No sessions yet.</td></tr>';
  }

  // Add a session at the top, or bring its row up to date.
  show(session) {
    let known = this.rows.get(session.id);
    if (!known) {
      if (this.rows.size === 0) this.body.replaceChildren();
      known = { row: clone("session-row") };
      part(known.row, "stop").addEventListener("click", () => this.stop(session.id));
      this.rows.set(session.id, known);
      this.body.prepend(known.row);
      if (this.rows.size > this.most) this.drop();
    }
    known.session = session;
    fill(known.row, session);
  }

  // Durations grow without any event.
  tick() {
    for (const { row, session } of this.rows.values()) if (!session.ended_at) fill(row, session);
  }

  drop() {
    const [oldest] = [...this.rows.keys()].sort();
    this.rows.get(oldest).row.remove();
    this.rows.delete(oldest);
  }

  async stop(id) {
    const button = part(this.rows.get(id).row, "stop");
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      await post(`/api/v1/sessions/${id}/stop`);
      this.say(null);
    } catch (problem) {
      this.say(problem.message);
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  }
}

function fill(row, session) {
  const began = session.started_at ?? session.created_at;
  text(row, "started", moment(began)).title = exact(began);
  text(row, "evse", session.evse === null ? session.station : `${session.station} · ${session.evse}`);
  pill(row, "state", session.state);
  const over = session.state === "ended" || session.state === "failed";
  text(row, "energy", `${kwh(session.energy_wh)} kWh`);
  text(row, "cost", money(session.cost, session.currency));
  text(row, "power", over || session.power_w === null ? "" : `${kw(session.power_w)} kW`);
  text(row, "soc", session.soc_pct === null ? "" : percent(session.soc_pct));
  text(row, "duration", duration(new Date(began), session.ended_at ? new Date(session.ended_at) : new Date()));
  text(row, "reason", reason(session.stop_reason));
  show(part(row, "stop"), !over && session.transaction_id !== null);
}
