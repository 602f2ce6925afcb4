/** The README's picture of the results: deliveries a second, and what one costs. Its colours follow the reader's theme. */
import { type Results, spread } from "./results.ts";
import type { Contender, Workload } from "./workload.ts";

const WIDTH = 760;
const LABELS = 190;
const BARS = 400;
const ROW = 26;
const BAR = 16;
const HEAD = 44;
const GAP = 18;

type Panel = { letter: string; key: string; title: string; digits: number };

const PANELS: readonly Panel[] = [
  { letter: "a1", key: "perSecond", title: "Deliveries a second, one room of 200 (more is better)", digits: 0 },
  { letter: "a1", key: "cpuUs", title: "Server CPU a delivery, µs (less is better)", digits: 2 },
  {
    letter: "a2",
    key: "p99",
    title: "99th percentile of latency at 50 messages a second, ms (less is better)",
    digits: 1,
  },
];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .durable { fill: #1a7f5a; }
  .other { fill: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .durable { fill: #3fb98a; }
    .other { fill: #6e7681; }
  }`;

/** Undefined where there are no figures for it. */
export function chart(workloads: readonly Workload[], results: Results): string | undefined {
  const parts: string[] = [];
  let y = 0;
  for (const panel of PANELS) {
    const contenders = workloads.find(({ letter }) => letter === panel.letter)?.contenders ?? [];
    const bars = contenders.flatMap(contender => {
      const value = median(results, panel, contender);
      return value === undefined ? [] : [{ contender, value }];
    });
    if (bars.length === 0) return undefined;
    parts.push(text(0, y + 24, panel.title, "title"));
    const most = Math.max(...bars.map(({ value }) => value));
    for (const [index, { contender, value }] of bars.entries()) {
      const at = y + HEAD + index * ROW;
      const width = Math.max(1, Math.round((value / most) * BARS));
      const kind = contender.durable ? "durable" : "other";
      parts.push(text(0, at + 13, contender.name, ""));
      parts.push(`<rect class="${kind}" x="${LABELS}" y="${at}" width="${width}" height="${BAR}" rx="2"/>`);
      parts.push(text(LABELS + width + 8, at + 13, shown(value, panel.digits), ""));
    }
    y += HEAD + bars.length * ROW + GAP;
  }
  parts.push(
    text(0, y + 14, "Green keeps every message on disk before it is acked; grey keeps nothing. One core each.", ""),
  );
  const height = y + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">web-chat beside WebSocket and Socket.IO servers: deliveries a second, CPU, latency</title>`,
    `<style>${STYLE}\n</style>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function median(results: Results, { letter, key }: Panel, { name }: Contender): number | undefined {
  const values = results[letter]?.figures[name]?.flatMap(figures => figures[key] ?? []) ?? [];
  return values.length === 0 ? undefined : spread(values).median;
}

function shown(value: number, digits: number): string {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function text(x: number, y: number, what: string, kind: string): string {
  return `<text${kind && ` class="${kind}"`} x="${x}" y="${y}">${what.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
}
