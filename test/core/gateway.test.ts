/** What a gateway tells its clients when rooms are to be joined anew: a real one, with what stands behind it held still. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Gateway, type GatewayParts } from "../../core/gateway.ts";
import type { Message } from "../../core/plugin.ts";
import { Registry } from "../../core/registry.ts";
import { Rooms } from "../../core/rooms.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";

/** `reads` are called in turn, one for each join. */
async function newGateway(t: TestContext, reads: (() => Promise<unknown>)[] = []) {
  const http = createServer();
  const parts: Partial<Record<keyof GatewayParts, unknown>> = {
    http,
    path: "/socket.io/",
    router: { toldEarly: () => [], deliveries: { joined() {}, left() {} }, state: () => [] },
    reading: { join: () => (reads.shift() ?? (async () => EMPTY))() },
    signIn: { enter: async ({ name }: { name: string }) => ({ person: { id: name, name }, token: name }) },
    registry: new Registry([]),
    rooms: new Rooms(),
    log: { pos: 0 },
    rate: { perSecond: 0, burst: 0 },
    ack: "local",
    addressOf: () => "127.0.0.1",
    isFromOwnPage: () => true,
    visitorOf: () => ({ host: "localhost", from: "here", encrypted: false }),
    node: () => ({ id: "node", name: "node", version: "test" }),
    nodes: () => [],
    failed: (what: string, error: unknown) => assert.fail(`${what}: ${error}`),
    count() {},
  };
  const gateway = new Gateway(parts as GatewayParts);
  cleanUp(t, () => gateway.close());
  await once(http.listen(0, "127.0.0.1"), "listening");
  return { gateway, port: (http.address() as AddressInfo).port };
}

const EMPTY = { messages: [], cursor: {}, last: {}, more: false, older: false };
const message = (id: string) => ({ type: "text", id, room: "lobby", key: id, origin: "o", n: 1 }) as unknown as Message;

test("who has joined a room that is reset is told, and hears nothing of it until joining again", async t => {
  const { gateway, port } = await newGateway(t);
  const [ana, raj] = [await connect(t, { port }, { name: "Ana" }), await connect(t, { port }, { name: "Raj" })];
  assert.equal((await ana.join("lobby")).ok, true);
  gateway.reset(["hall", "lobby"]);
  gateway.messages("lobby", [message("unheard")]);
  await ana.until(() => ana.events.some(([event]) => event === "reset"));
  assert.deepEqual(
    ana.events.filter(([event]) => event === "reset"),
    [["reset", { room: "lobby" }]],
  );
  await ana.join("lobby");
  gateway.messages("lobby", [message("heard")]);
  await ana.until(() => ana.messages().length > 0);
  assert.deepEqual(
    ana.messages().map(({ id }) => id),
    ["heard"],
  );
  assert.deepEqual(
    raj.events.map(([event]) => event).filter(event => event !== "welcome"),
    [],
    "who has not joined is told nothing",
  );
});

test("a join whose answer was read before a reset is refused, and the next one is answered", async t => {
  let answer = (_: unknown) => {};
  let asked = () => {};
  const isAsked = new Promise<void>(resolve => {
    asked = resolve;
  });
  const { gateway, port } = await newGateway(t, [
    () => {
      asked();
      return new Promise(resolve => {
        answer = resolve;
      });
    },
  ]);
  const ana = await connect(t, { port }, { name: "Ana" });
  const joining = ana.join("lobby");
  await isAsked;
  gateway.reset(["lobby"]);
  answer(EMPTY);
  assert.equal((await joining).code, "reset");
  assert.equal((await ana.join("lobby")).ok, true);
});
