// The workbench: shows /state twice a second and posts what is pressed.
const get = (id) => document.getElementById(id);
const copy = (id) => get(id).content.firstElementChild.cloneNode(true);
const shown = new Map();

get("operator").href = `http://${location.hostname}:${document.body.dataset.port}/operator`;

async function post(path, body) {
  const reply = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  get("message").textContent = reply.ok ? "" : (await reply.json()).error;
  await look();
}

function build(station) {
  const section = copy("station");
  section.querySelector("h2").textContent = station.id;
  section.querySelector(".tap").onclick = () => post(`stations/${station.id}/tap`, { uid: get("card").value });
  for (const box of section.querySelectorAll("[data-trip]")) {
    box.onchange = () => post(`stations/${station.id}/trip`, { name: box.dataset.trip, tripped: box.checked });
  }
  const piloted = station.evses.some((evse) => evse.connectors.some((connector) => connector.pilot));
  const converter = section.querySelector(".converter");
  converter.closest("label").hidden = !piloted;
  converter.onchange = () => post(`stations/${station.id}/converter`, { dead: converter.checked });
  const evses = station.evses.map((evse) => {
    const article = copy("evse");
    article.querySelector("h3").textContent = `EVSE ${evse.evse}`;
    const silent = article.querySelector(".silent");
    silent.onchange = () => post(`stations/${station.id}/meter`, { evse: evse.evse, silent: silent.checked });
    const connectors = evse.connectors.map((connector) => {
      const row = copy("connector");
      row.querySelector(".name").textContent = `${connector.connector} · ${connector.type} ${connector.max_kw} kW`;
      article.querySelector(".connectors").append(row);
      return row;
    });
    section.querySelector(".evses").append(article);
    return { article, connectors };
  });
  get("stations").append(section);
  return { section, evses };
}

function show(station) {
  if (!shown.has(station.id)) shown.set(station.id, build(station));
  const { section, evses } = shown.get(station.id);
  section.querySelector(".link").textContent =
    (station.station_connected ? "station runs" : "station is down") + (station.card ? " · card on the reader" : "");
  for (const box of section.querySelectorAll("[data-trip]")) box.checked = station.tripped[box.dataset.trip];
  section.querySelector(".converter").checked = station.converter_dead;
  station.evses.forEach((evse, index) => {
    const { article, connectors } = evses[index];
    const { red, green, blue } = evse.light ?? { red: 0, green: 0, blue: 0 };
    article.querySelector(".led").style.background = `rgb(${red * 255} ${green * 255} ${blue * 255})`;
    article.querySelector(".power").textContent = `${(evse.power_w / 1000).toFixed(1)} kW`;
    article.querySelector(".figures").textContent =
      `meter ${(evse.register_wh / 1000).toFixed(3)} kWh · ${evse.current_a.toFixed(1)} A · ${evse.voltage_v.toFixed(0)} V`;
    const battery = article.querySelector(".battery");
    battery.hidden = evse.soc_pct === null;
    if (evse.soc_pct !== null) {
      battery.querySelector("meter").value = evse.soc_pct;
      battery.querySelector("span").textContent = `${evse.soc_pct.toFixed(1)} %`;
    }
    article.querySelector(".silent").checked = evse.meter_silent;
    evse.connectors.forEach((connector, place) => {
      const row = connectors[place];
      const here = evse.plugged_connector === connector.connector;
      const contacts = row.querySelector(".contacts");
      contacts.textContent = connector.closed ? "closed" : "open";
      contacts.title = "the contactor's main contacts";
      contacts.classList.toggle("closed", connector.closed);
      row.querySelector(".pilot").textContent = connector.pilot
        ? `pilot ${connector.pilot.high_v.toFixed(1)} V, offers ${connector.pilot.offered_a.toFixed(0)} A`
        : "";
      const button = row.querySelector(".plug");
      button.textContent = here ? "Unplug" : "Plug a car in";
      button.disabled = evse.plugged_connector !== null && !here;
      button.onclick = () =>
        here
          ? post(`stations/${station.id}/unplug`, { evse: evse.evse })
          : post(`stations/${station.id}/plug`, { evse: evse.evse, connector: connector.connector });
    });
  });
}

async function look() {
  try {
    const state = await (await fetch("state")).json();
    state.stations.forEach(show);
    get("visitors").checked = state.visitors;
  } catch {
    get("message").textContent = "The bench does not answer; trying again.";
  }
}

get("visitors").onchange = () => post("visitors", { on: get("visitors").checked });
look();
setInterval(look, 500);
