// Numbers and times as people read them, in the browser's language and time zone.

const number = (digits) => new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const one = number(1);
const two = number(2);
const none = number(0);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export const kwh = (wh) => two.format(wh / 1000);
export const kw = (w) => one.format(w / 1000);
export const percent = (value) => `${none.format(value)} %`;
export const hour = clock;

// Digits of a currency's minor unit, where they are not 2 (ISO 4217).
const DIGITS = {
  ...Object.fromEntries("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" ").map((code) => [code, 0])),
  ...Object.fromEntries("BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3])),
};

// An amount in minor units, such as cents; nothing where there is no price.
export function money(minor, currency) {
  if (minor === null) return "";
  const digits = DIGITS[currency] ?? 2;
  const form = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(undefined, form).format(minor / 10 ** digits);
}

// The time alone for today, with the date for any other day.
export function moment(iso) {
  const at = new Date(iso);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : date.format(at);
}

export const exact = (iso) => full.format(new Date(iso));

export function duration(from, to) {
  const minutes = Math.max(0, Math.floor((to - from) / 60000));
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

// "Type2" as it is written on the plug, with what it can give.
export function socket(connector) {
  const name = connector.type === "Unknown" ? connector.current : connector.type.replace(/^Type(\d)/, "Type $1");
  const power = connector.max_kw === null ? "" : ` · ${connector.max_kw} kW`;
  return `${name}${power}`.replaceAll(" ", "\u00a0");
}

const REASONS = {
  DeAuthorized: "Card no longer accepted",
  EmergencyStop: "Emergency stop",
  EVDisconnected: "Vehicle unplugged",
  Local: "At the station",
  PowerLoss: "Power loss",
  Reboot: "Restart of the station",
  Remote: "Remotely",
  SOCLimitReached: "Battery limit reached",
  StoppedByEV: "By the vehicle",
  Timeout: "Nobody plugged in",
};

// OCPP's reason in words, or as it is where it speaks for itself.
export const reason = (word) => REASONS[word] ?? word ?? "";
