import { defineServer, type NodeFigures } from "../../core/plugin.ts";
import status from "./message.ts";

/** What jitters by itself is said this often, and at once where it has doubled or halved. */
const AGAIN_MS = 30_000;
/** Up to here such a figure is as good as nothing. */
const SMALL = { rssBytes: 32 * 1024 * 1024, lagMs: 20, rttMs: 20, clockMs: 5_000, messagesPerSecond: 0.1 };
/** A rate that changes by less is as good as the same, and would be told to everybody each second. */
const STEADY = 0.2;

export default defineServer(status, () => {
  let said: { figures: NodeFigures; at: number } | undefined;

  return {
    tick({ node, now }) {
      const figures = node();
      if (said && now() - said.at < AGAIN_MS && isMuchAs(said.figures, figures)) return [];
      said = { figures, at: now() };
      return [{ body: figures, to: "all" }];
    },
  };
});

function isMuchAs(before: NodeFigures, after: NodeFigures): boolean {
  return (
    exact(before) === exact(after) &&
    isNear(before.rssBytes, after.rssBytes, SMALL.rssBytes) &&
    isNear(before.lagMs, after.lagMs, SMALL.lagMs) &&
    isSteady(before.messagesPerSecond, after.messagesPerSecond) &&
    after.peers.every(({ rttMs }, at) => isNear(before.peers[at]?.rttMs ?? 0, rttMs ?? 0, SMALL.rttMs)) &&
    after.peers.every(({ clockMs }, at) => Math.abs((before.peers[at]?.clockMs ?? 0) - (clockMs ?? 0)) <= SMALL.clockMs)
  );
}

/** Whatever is news however little it changes. */
function exact({ rssBytes: _, lagMs: __, messagesPerSecond: ___, peers, ...figures }: NodeFigures): string {
  return JSON.stringify([
    figures,
    peers.map(peer => ({ ...peer, rttMs: peer.rttMs === null, clockMs: peer.clockMs === null })),
  ]);
}

function isNear(before: number, after: number, small: number): boolean {
  return Math.abs(before - after) <= Math.max(small, Math.min(before, after));
}

function isSteady(before: number, after: number): boolean {
  return Math.abs(before - after) <= Math.max(SMALL.messagesPerSecond, STEADY * before);
}
