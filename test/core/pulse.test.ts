import assert from "node:assert/strict";
import test from "node:test";
import { DOWN_AFTER_MS, Membership } from "../../core/cluster/membership.ts";
import { Pulse } from "../../core/cluster/pulse.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { stillTime } from "../helpers/time.ts";

const self = { id: "ana", boot: "first run", name: "hall", version: "1.0.0", hosts: [], port: 1, pubPort: 2 };

test("a heartbeat is published every second for a while after a commit, and else every two", t => {
  const { time, pass } = stillTime();
  let second = 0;
  const said: number[] = [];
  const pulse = new Pulse(self.id, {
    time,
    membership: new Membership(self),
    perform: () => {},
    links: { beat: () => Buffer.from("beat"), ask: () => {} },
    publish: () => void said.push(second),
    notices: { clocksApart: () => {} },
    nodes: { nameOf: node => node },
  });
  cleanUp(t, () => pulse.close());
  for (second = 1; second <= 20; second++) {
    if (second === 12) pulse.committed();
    pass(1_000);
  }
  assert.deepEqual(said, [1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 14, 15, 16, 17, 19]);
  const widest = Math.max(...said.slice(1).map((second, index) => second - (said[index] as number)));
  assert.ok(widest * 2_000 < DOWN_AFTER_MS, "whoever misses one of them takes nobody for gone");
});
