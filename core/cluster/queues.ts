/** What waits between this node and its peers, and what was dropped because too much did; as metrics. */
import type { Bus } from "./bus.ts";
import type { Streams } from "./streams.ts";

/** Frames on the bus, requests of peers, and what of peers' streams is on its way into the log. */
export type Queues = Pick<Bus, "queued" | "queuedBytes" | "dropped"> & { asked: number } & Streams["queues"];

/** Name and meaning of each. */
export const QUEUE_METRICS: Readonly<Record<keyof Queues, readonly [name: string, help: string]>> = {
  queued: ["chat_bus_queued", "Frames that wait to be sent to peers"],
  queuedBytes: ["chat_bus_queued_bytes", "Size of the frames that wait to be sent to peers"],
  dropped: ["chat_bus_dropped", "Frames to peers that were dropped; the log repairs them"],
  asked: ["chat_peer_requests_waiting", "Requests of peers that wait for their turn"],
  live: ["chat_peer_live_waiting", "Envelopes that peers published and that wait for a commit"],
  liveBytes: ["chat_peer_live_waiting_bytes", "Size of what peers published and what waits for a commit"],
  liveDropped: ["chat_peer_live_dropped", "Envelopes of peers that found no room to wait; they are pulled later"],
  early: ["chat_peer_live_told", "Envelopes among them that people here were told of already"],
  aheadBytes: ["chat_peer_ahead_bytes", "Size of what peers published before what precedes it"],
  pulls: ["chat_pulls_running", "Requests for what is missing that peers have not answered yet"],
  pulledBytes: ["chat_pulls_waiting_bytes", "Size of what peers answered and what waits for a commit"],
};
