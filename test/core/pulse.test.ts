import assert from "node:assert/strict";
import test from "node:test";
import { DOWN_AFTER_MS, Membership } from "../../core/cluster/membership.ts";
import { Pulse } from "../../core/cluster/pulse.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { stillTime } from "../helpers/time.ts";

const self = { id: "ana", boot: "first run", name: "hall", version: "1.0.0", hosts: [], port: 1, pubPort: 2 };

test("a heartbeat is published every second while it says something new, and every two when it has not for long", t => {
  const { time, pass } = stillTime();
  let [word, second] = ["one", 0];
  const said: [second: number, word: string][] = [];
  const pulse = new Pulse(self.id, {
    time,
    membership: new Membership(self),
    perform: () => {},
    links: { beat: () => Buffer.from(word), ask: () => {} },
    publish: frame => void said.push([second, frame.toString()]),
    notices: { clocksApart: () => {} },
    nodes: { nameOf: node => node },
  });
  cleanUp(t, () => pulse.close());
  for (second = 1; second <= 13; second++) {
    if (second === 12) word = "two";
    pass(1_000);
  }
  const seconds = (of: string) => said.filter(([, word]) => word === of).map(([second]) => second);
  assert.deepEqual(seconds("one"), [1, 2, 3, 4, 5, 7, 9, 11]);
  assert.deepEqual(seconds("two"), [12, 13]);
  const widest = Math.max(...said.slice(1).map(([second], index) => second - (said[index]?.[0] as number)));
  assert.ok(widest * 2_000 < DOWN_AFTER_MS, "whoever misses one of them takes nobody for gone");
});
