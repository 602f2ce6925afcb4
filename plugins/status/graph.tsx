/** The cluster as a picture: a node is a dot, a connection a line. */
import type { Cluster, Dot, Link } from "./cluster.ts";

const WIDTH = 280;
/** Below the lowest dot, for its name. */
const FOOT = 34;
/** With more nodes than this, the times on the lines would cover each other. */
const MAX_LABELLED = 4;

type Point = { x: number; y: number };
type Words = { label: string; down: string; here: string };

export function Graph({ cluster: { dots, links }, here, words }: { cluster: Cluster; here: string; words: Words }) {
  const places = new Map(dots.map(({ id }, at) => [id, place(at, dots.length)]));
  const height = Math.max(...[...places.values()].map(({ y }) => y)) + FOOT;
  const at = (id: string) => places.get(id) as Point;
  return (
    <svg class="status-graph" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={words.label}>
      {links.map(link => (
        <Line
          key={link.from + link.to}
          link={link}
          from={at(link.from)}
          to={at(link.to)}
          labelled={dots.length <= MAX_LABELLED}
        />
      ))}
      {dots.map(dot => (
        <Node
          key={dot.id}
          dot={dot}
          at={at(dot.id)}
          above={dots.length > 2 && at(dot.id).y < 60}
          here={dot.name === here}
          words={words}
        />
      ))}
    </svg>
  );
}

/** One alone stands in the middle, two side by side, more on an ellipse with the first one on top. */
function place(at: number, count: number): Point {
  const centre = { x: WIDTH / 2, y: count < 3 ? 32 : 80 };
  if (count === 1) return centre;
  if (count === 2) return { x: WIDTH * (at === 0 ? 0.22 : 0.78), y: centre.y };
  const angle = (at / count) * 2 * Math.PI - Math.PI / 2;
  return { x: centre.x + Math.cos(angle) * WIDTH * 0.34, y: centre.y + Math.sin(angle) * 54 };
}

function Line({ link, from, to, labelled }: { link: Link; from: Point; to: Point; labelled: boolean }) {
  const { up, rttMs } = link;
  return (
    <g class={up ? "status-link" : "status-link down"}>
      <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
      {labelled && up && rttMs !== null && (
        <text x={(from.x + to.x) / 2} y={(from.y + to.y) / 2 + 3}>
          {rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms
        </text>
      )}
    </g>
  );
}

type NodeProps = { dot: Dot; at: Point; above: boolean; here: boolean; words: Words };

function Node({ dot, at, above, here, words }: NodeProps) {
  return (
    <g class={`status-node ${dot.up ? "" : "down"} ${here ? "here" : ""}`}>
      <title>{here ? `${dot.name}: ${words.here}` : dot.name}</title>
      {here && <circle class="status-ring" cx={at.x} cy={at.y} r={10} />}
      <circle cx={at.x} cy={at.y} r={6} />
      <text x={at.x} y={above ? at.y - 14 : at.y + 24}>
        {dot.name}
        {!dot.up && ` · ${words.down}`}
      </text>
    </g>
  );
}
