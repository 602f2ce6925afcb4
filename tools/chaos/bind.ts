/**
 * Loaded before a node that shares its network with others: its bus, which listens on all addresses, listens on that of
 * CHAOS_BIND alone, and leaves the same ports of other addresses to the relays.
 */
import * as zmq from "zeromq";

const address = process.env.CHAOS_BIND;
const { bind } = zmq.Socket.prototype;
// ZeroMQ's own, further up, cannot be replaced.
for (const { prototype } of [zmq.Router, zmq.Publisher])
  Object.defineProperty(prototype, "bind", {
    value(this: zmq.Socket, where: string): Promise<void> {
      return bind.call(this, where.replace("tcp://*:", `tcp://${address}:`));
    },
  });
