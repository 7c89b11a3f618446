// The network's power over the last ten minutes, one band per station, stacked.

import uPlot from "../vendor/uplot/uPlot.esm.js";

import { hour, kw } from "./format.js";

const WINDOW_S = 600;
const HEIGHT = 260;
// More bands than this cannot be told apart: the rest is one band.
const MOST = 8;
const OTHERS = "others";

export class PowerChart {
  constructor(place) {
    this.place = place;
    this.times = [];
    this.rows = new Map(); // station -> W at each time
    this.shown = [];
    this.plot = null;
    new ResizeObserver(() => this.plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // history: {times: [s], stations: {id: [W]}}
  load(history) {
    this.times = history.times;
    this.ahead = history.times.at(-1) - Date.now() / 1000; // the server's clock is what counts
    this.rows = new Map(Object.entries(history.stations));
    this.draw();
  }

  // powers: what each station gives now, Map of station to W.
  add(powers) {
    if (this.times.length === 0) return;
    const at = Date.now() / 1000 + this.ahead;
    for (const station of powers.keys()) {
      if (!this.rows.has(station)) this.rows.set(station, this.times.map(() => 0));
    }
    this.times.push(at);
    this.rows.forEach((row, station) => row.push(powers.get(station) ?? 0));
    while (this.times[0] < at - WINDOW_S) {
      this.times.shift();
      this.rows.forEach((row) => row.shift());
    }
    this.rows.forEach((row, station) => {
      if (!row.some(Boolean)) this.rows.delete(station);
    });
    if (String(this.shown) === String(this.bands().map(([name]) => name))) this.plot.setData(this.stacked());
    else this.draw();
  }

  // [name, powers] for each band, from the bottom: by name, so that a band keeps its place.
  bands() {
    const peaks = [...this.rows].filter(([, row]) => row.some(Boolean));
    peaks.sort(([, a], [, b]) => Math.max(...b) - Math.max(...a));
    const rest = peaks.splice(MOST).map(([, row]) => row);
    peaks.sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
    if (rest.length) peaks.push([OTHERS, this.times.map((_, index) => rest.reduce((sum, row) => sum + row[index], 0))]);
    return peaks;
  }

  stacked() {
    let below = this.times.map(() => 0);
    this.values = this.bands().map(([, row]) => row);
    return [this.times, ...this.values.map((row) => (below = below.map((value, index) => value + row[index])))];
  }

  draw() {
    this.plot?.destroy();
    const names = this.bands().map(([name]) => name);
    this.shown = names;
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    const options = {
      width: this.place.clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      cursor: { y: false, drag: { setScale: false, x: false }, points: { show: false } },
      scales: { y: { range: (_, low, high) => [0, Math.max(1000, high * 1.1)] } },
      axes: [
        { ...axis, values: (_, times) => times.map((time) => hour.format(time * 1000)), space: 70, size: 32 },
        { ...axis, values: (_, watts) => watts.map((value) => `${value / 1000} kW`), size: 64, space: 40 },
      ],
      series: [
        { label: "Time", value: (_, time) => (time === null ? "" : hour.format(time * 1000)) },
        ...names.map((name, index) => {
          const stroke = color(name === OTHERS ? "--chart-others" : `--chart-${index + 1}`);
          const value = (_, __, series, at) => `${kw(this.values[series - 1][at ?? this.times.length - 1])} kW`;
          return { label: name, stroke, fill: `${stroke}40`, width: 1.5, points: { show: false }, value };
        }),
      ],
      bands: names.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })),
    };
    this.plot = new uPlot(options, this.stacked(), this.place);
  }
}
