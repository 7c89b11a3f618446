// When and how a driver is told, and what was told.

import { get, post, put } from "./api.js";
import { clone, notice, text } from "./dom.js";
import { moment, percent } from "./format.js";

const form = document.getElementById("preferences");
const shown = document.getElementById("threshold-shown");
const problem = document.getElementById("preferences-problem");
const saved = document.getElementById("preferences-saved");
const told = document.getElementById("told");
const fields = form.elements;
let others = []; // channels that this page does not show: they stay
let emails = []; // and so do addresses that were given elsewhere

fields.threshold.addEventListener("input", showThreshold);
form.addEventListener("input", () => (saved.textContent = ""));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});

export async function refreshNotices() {
  const [chosen, list] = await Promise.all([get("/api/v1/me/preferences"), get("/api/v1/me/notifications?limit=10")]);
  fields.threshold.value = chosen.soc_threshold_pct ?? 0;
  // A threshold between the marks of the slider, set elsewhere, is shown as it is.
  fields.threshold.dataset.exact = chosen.soc_threshold_pct ?? 0;
  showThreshold(null, chosen.soc_threshold_pct ?? 0);
  const kinds = chosen.channels.map((channel) => channel.kind);
  fields.email.checked = kinds.includes("email");
  fields.web_push.checked = kinds.includes("web_push");
  others = chosen.channels.filter((channel) => !["web_push", "email"].includes(channel.kind));
  emails = chosen.channels.filter((channel) => channel.kind === "email");
  form.querySelector("button").disabled = false;
  told.replaceChildren(...list.notifications.map(row));
}

// One that came just now, by the event stream.
export function addNotice(one) {
  told.prepend(row(one));
}

async function save() {
  notice(problem, null);
  try {
    if (fields.web_push.checked) await subscribe();
    const threshold = Number(fields.threshold.dataset.exact || fields.threshold.value);
    const channels = [...others];
    if (fields.email.checked) channels.push(...(emails.length ? emails : [{ kind: "email" }]));
    if (fields.web_push.checked) channels.push({ kind: "web_push" });
    await put("/api/v1/me/preferences", { soc_threshold_pct: threshold || null, channels });
    saved.textContent = "Saved.";
  } catch (failure) {
    notice(problem, failure.message);
  }
}

async function subscribe() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    throw new Error("This browser takes no notifications from web pages.");
  }
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("This browser may not show notifications: allow them for this site.");
  }
  await navigator.serviceWorker.register("/sw.js");
  const worker = await navigator.serviceWorker.ready;
  const { public_key } = await get("/api/v1/me/push-key");
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key });
  await post("/api/v1/me/push-subscriptions", subscription.toJSON());
}

function showThreshold(event, exact) {
  if (event) delete fields.threshold.dataset.exact;
  const value = exact ?? Number(fields.threshold.value);
  shown.textContent = value ? percent(value) : "never";
}

function row(one) {
  const line = clone("told-one");
  text(line, "text", one.text);
  text(line, "when", moment(one.at));
  return line;
}
