// The event stream. What is shown is read afresh whenever the stream opens, since nothing is told of what was missed.

import { get } from "./api.js";

const RETRY_MS = 3000;

// refresh: reads everything that is shown, and is awaited before events come. on: a function for each kind of event.
export function listen(refresh, on) {
  const pill = document.getElementById("live");
  const say = (word, is) => {
    if (pill) [pill.textContent, pill.dataset.is] = [word, is];
  };
  const source = new EventSource("/api/v1/events");
  let early = [];
  source.addEventListener("open", async () => {
    early = [];
    try {
      await refresh();
    } catch {
      source.close();
      setTimeout(() => listen(refresh, on), RETRY_MS);
      return;
    }
    const waiting = early;
    early = null;
    waiting.forEach(([handle, data]) => handle(data));
    say("live", "live");
  });
  source.addEventListener("error", () => {
    say("reconnecting", "waiting");
    if (source.readyState !== EventSource.CLOSED) return;
    // The browser gives up where the answer is not a stream: the login may be over.
    get("/api/v1/sessions?limit=1").catch(() => {});
    setTimeout(() => listen(refresh, on), RETRY_MS);
  });
  for (const [kind, handle] of Object.entries(on)) {
    source.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      if (early) early.push([handle, data]);
      else handle(data);
    });
  }
}
