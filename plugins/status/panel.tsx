/** How the cluster is: first as a picture, then in figures. */
import type { NodeFigures, Shell } from "../../core/plugin.ts";
import { clusterOf } from "./cluster.ts";
import { Graph } from "./graph.tsx";
import { history, path } from "./history.ts";
import { Faults, Types } from "./types.tsx";
import "./panel.css";

export { words } from "./words.ts";

const MIB = 1024 * 1024;
/** Further apart than this, clocks bring messages out of their order. */
const MAX_APART_MS = 60_000;

export type StatusShell = Shell<NodeFigures>;

export function System({ shell }: { shell: StatusShell }) {
  const figures = shell.values.map(({ body }) => body).sort((a, b) => a.name.localeCompare(b.name));
  if (figures.length === 0) return <p class="quiet">{shell.t("nothing")}</p>;
  const cluster = clusterOf(figures, shell.node);
  const up = cluster.dots.filter(dot => dot.up).length;
  const label = shell.t("graph", { up, all: cluster.dots.length });
  return (
    <div class="status">
      <Graph cluster={cluster} here={shell.node} words={{ label, down: shell.t("down"), here: shell.t("thisNode") }} />
      <Totals shell={shell} figures={figures} stored={cluster.stored} all={cluster.dots.length} />
      {figures.some(({ busOpen }) => busOpen) && <p class="status-warning">{shell.t("busOpen")}</p>}
      <Clocks shell={shell} peers={figures.find(({ name }) => name === shell.node)?.peers ?? []} />
      {figures.map(node => (
        <Figures key={node.id} shell={shell} node={node} all={figures} />
      ))}
      {cluster.dots
        .filter(dot => !dot.up)
        .map(dot => (
          <section key={dot.id} class="status-figures down">
            <h3>
              {dot.name} <small>{shell.t("down")}</small>
            </h3>
          </section>
        ))}
    </div>
  );
}

function Clocks({ shell, peers }: { shell: StatusShell; peers: NodeFigures["peers"] }) {
  const apart = peers.filter(({ clockMs }) => clockMs !== null && Math.abs(clockMs) > MAX_APART_MS);
  return apart.map(({ id, name, clockMs }) => {
    const ahead = clockMs ?? 0;
    const time = span(Math.abs(ahead), shell);
    return (
      <p key={id} class="status-warning">
        {shell.t(ahead > 0 ? "clockAhead" : "clockBehind", { name, time })}
      </p>
    );
  });
}

type TotalsProps = { shell: StatusShell; figures: NodeFigures[]; stored: number | undefined; all: number };

function Totals({ shell, figures, stored, all }: TotalsProps) {
  const rate = figures.reduce((sum, node) => sum + node.messagesPerSecond, 0);
  const clients = figures.reduce((sum, node) => sum + node.clients, 0);
  return (
    <dl class="status-totals">
      <div>
        <dt>{shell.t("rate")}</dt>
        <dd>{amount(rate)}</dd>
        <Spark samples={history.value.map(({ messagesPerSecond }) => messagesPerSecond)} />
      </div>
      <div>
        <dt>{shell.t("clients")}</dt>
        <dd>{clients}</dd>
        <Spark samples={history.value.map(({ clients }) => clients)} />
      </div>
      {stored !== undefined && (
        <div class={stored < all ? "status-lagging" : ""}>
          <dt>{shell.t("stored")}</dt>
          <dd>
            {stored}/{all}
          </dd>
        </div>
      )}
    </dl>
  );
}

function Spark({ samples }: { samples: readonly number[] }) {
  return (
    <svg class="status-spark" viewBox="0 0 60 16" preserveAspectRatio="none" aria-hidden="true">
      <path d={path(samples, 60, 16)} />
    </svg>
  );
}

function Figures({ shell, node, all }: { shell: StatusShell; node: NodeFigures; all: readonly NodeFigures[] }) {
  const rows: [string, string][] = [
    [shell.t("uptime"), span(Date.now() - node.startedAt, shell)],
    [shell.t("version"), node.version],
    [shell.t("clients"), String(node.clients)],
    [shell.t("rate"), amount(node.messagesPerSecond)],
    [shell.t("memory"), `${Math.round(node.rssBytes / MIB)} MB`],
    [shell.t("lag"), `${amount(node.lagMs)} ms`],
  ];
  return (
    <section class="status-figures">
      <h3>
        {node.name} {node.name === shell.node && <small>{shell.t("thisNode")}</small>}
      </h3>
      <dl>
        {rows.map(([name, figure]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{figure}</dd>
          </div>
        ))}
      </dl>
      <Types shell={shell} node={node} all={all} />
      <Faults shell={shell} faults={node.faults} />
    </section>
  );
}

function amount(figure: number): string {
  return figure < 10 ? String(Math.round(figure * 10) / 10) : String(Math.round(figure));
}

/** The two largest units of a span of time. */
function span(ms: number, { t }: StatusShell): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${t("days", { n: days })} ${t("hours", { n: hours % 24 })}`;
  if (hours > 0) return `${t("hours", { n: hours })} ${t("minutes", { n: minutes % 60 })}`;
  return minutes > 0
    ? `${t("minutes", { n: minutes })} ${t("seconds", { n: seconds % 60 })}`
    : t("seconds", { n: seconds });
}
