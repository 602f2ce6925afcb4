/** The results as Markdown: what keeps messages and what keeps nothing apart, each figure with its spread. */
import { type Measured, type Results, spread } from "./results.ts";
import type { Contender, Figure, Figures, Workload } from "./workload.ts";

/** Ratios are to the first of these that took part. */
const BASES = ["socket.io", "socket.io+redis"];

export function report(workloads: readonly Workload[], results: Results): string {
  const sections = workloads.flatMap(workload => {
    const measured = results[workload.letter];
    return measured ? [section(workload, measured)] : [];
  });
  return [
    "# Results",
    "Made by `npm run bench`; [README.md](../README.md) says how, and what the columns mean. A figure is the median of all rounds " +
      "with the least and the most behind it; × is the median of what it is to that of socket.io, or of socket.io+redis where several servers work together, in the same round.",
    ...sections,
    "",
  ].join("\n\n");
}

function section(workload: Workload, measured: Measured): string {
  const { date, machine, rounds, skipped, wrong = {}, figures } = measured;
  const runs = workload.contenders.filter(({ name }) => figures[name]);
  const groups: [string, Contender[]][] = [
    ["On disk before it is acked:", runs.filter(({ durable }) => durable)],
    ["Keeps nothing:", runs.filter(({ durable }) => !durable)],
  ];
  return [
    `## ${workload.letter}: ${workload.title}`,
    `${date}, ${rounds} ${rounds === 1 ? "round" : "rounds"}, ${machine}.`,
    ...groups.flatMap(([title, members]) =>
      members.length === 0 ? [] : [title, table(workload.figures, members, figures)],
    ),
    ...Object.entries(skipped).map(([name, why]) => `${name} was skipped: ${why}.`),
    ...Object.entries(wrong).map(([name, what]) => `${name} has no figures, as its counts were wrong: ${what}.`),
  ].join("\n\n");
}

/** A row for each contender; for many columns a row for each figure, which is easier to read. */
function table(columns: readonly Figure[], members: readonly Contender[], figures: Measured["figures"]): string {
  const base = BASES.find(name => figures[name]);
  const cells = members.map(({ name }) =>
    columns.map(column =>
      cell(column, figures[name] as Figures[], base === undefined || name === base ? [] : figures[base]),
    ),
  );
  const rows =
    columns.length > 5
      ? [
          ["", ...members.map(({ name }) => name)],
          ...columns.map(({ title }, index) => [title, ...cells.map(row => row[index] as string)]),
        ]
      : [
          ["", ...columns.map(({ title }) => title)],
          ...members.map(({ name }, index) => [name, ...(cells[index] as string[])]),
        ];
  const [head = [], ...body] = rows;
  return [head, head.map((_, index) => (index === 0 ? "---" : "---:")), ...body].map(line).join("\n");
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

function cell({ key, digits = 0, ratio }: Figure, rounds: readonly Figures[], base: Figures[] | undefined): string {
  const values = rounds.flatMap(figures => figures[key] ?? []);
  if (values.length === 0) return "–";
  const { median, min, max } = spread(values);
  const shown = `${number(median, digits)} (${number(min, digits)}–${number(max, digits)})`;
  const ratios = rounds.flatMap((figures, round) => {
    const [own, other] = [figures[key], base?.[round]?.[key]];
    return own !== undefined && other ? [own / other] : [];
  });
  if (!ratio || ratios.length === 0) return shown;
  const times = spread(ratios).median;
  return `${shown}, ×${number(times, times < 10 ? 2 : 1)}`;
}

function number(value: number, digits: number): string {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
