/** The cluster as this page sees it: what the nodes say of themselves and of each other, put together. */
import type { NodeFigures } from "../../core/plugin.ts";

export type Dot = { id: string; name: string; up: boolean };
export type Link = { from: string; to: string; up: boolean; rttMs: number | null };
export type Cluster = {
  dots: Dot[];
  links: Link[];
  /** Nodes that hold everything which the node we are connected to holds; undefined until it is known. */
  stored: number | undefined;
};

/** Nodes that are down say nothing, so their peers have to speak of them. */
export function clusterOf(figures: readonly NodeFigures[], here: string): Cluster {
  const dots = new Map<string, Dot>(figures.map(({ id, name }) => [id, { id, name, up: true }]));
  const links = new Map<string, Link>();
  for (const { id: from, peers } of figures)
    for (const { id: to, name, up, rttMs } of peers) {
      if (!dots.has(to)) dots.set(to, { id: to, name, up: false });
      const key = from < to ? `${from} ${to}` : `${to} ${from}`;
      const other = links.get(key);
      // One end may have noticed before the other: a link is as good as the worse of them.
      const both = up && dots.get(to)?.up !== false && (other?.up ?? true);
      links.set(key, { from, to, up: both, rttMs: both ? (rttMs ?? other?.rttMs ?? null) : null });
    }
  const own = figures.find(({ name }) => name === here);
  const holders = own?.peers.filter(({ id, up, behind }) => up && behind === 0 && dots.get(id)?.up);
  return {
    dots: [...dots.values()].sort((a, b) => a.name.localeCompare(b.name)),
    links: [...links.values()],
    stored: holders && holders.length + 1,
  };
}
