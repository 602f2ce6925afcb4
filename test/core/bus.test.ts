import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { Dealer, Publisher } from "zeromq";
import { Bus, type Received } from "../../core/cluster/bus.ts";
import { keysOf } from "../../core/cluster/keys.ts";
import { MAX_FRAME_BYTES } from "../../core/envelope.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { busSuite } from "../suites/bus.ts";

const keys = [keysOf("a secret of this cluster")];
const limits = { maxFrameBytes: MAX_FRAME_BYTES };
busSuite("the bus on ZeroMQ", (events, ports) => Bus.open(events, { ...ports, keys: [] }), limits);
busSuite("the bus on ZeroMQ, with a secret", (events, ports) => Bus.open(events, { ...ports, keys }), limits);

test("a frame above the limit that comes all the same costs its sender the connection, and nobody else anything", async t => {
  const heard: string[] = [];
  let wake = () => {};
  const bus = await Bus.open(
    {
      received({ bytes }) {
        heard.push(Buffer.from(bytes).subarray(0, 64).toString());
        wake();
      },
      unreachable: () => {},
      refused: address => assert.fail(`refused ${address}`),
      shut: why => assert.fail(why),
      estranged: () => assert.fail("estranged"),
    },
    { port: 0, pubPort: 0, keys: [] },
  );
  cleanUp(t, () => bus.close());
  // One of another program: this program's own bus may know better than to send it.
  const [bad, good] = [new Dealer({ linger: 0 }), new Dealer({ linger: 0 })];
  for (const socket of [bad, good]) {
    cleanUp(t, () => socket.close());
    socket.connect(`tcp://127.0.0.1:${bus.port}`);
  }
  const heardOf = (text: string) =>
    new Promise<void>(resolve => {
      wake = () => {
        if (heard.includes(text)) resolve();
      };
      wake();
    });
  await bad.send("bad, before");
  await heardOf("bad, before");
  const dropped = once(bad.events, "disconnect");
  await bad.send(Buffer.alloc(MAX_FRAME_BYTES * 2));
  await dropped;
  await good.send("good, after");
  await heardOf("good, after");
  await bad.send("bad, back");
  await heardOf("bad, back");
  assert.deepEqual(heard, ["bad, before", "good, after", "bad, back"]);

  function once(events: Dealer["events"], name: "disconnect"): Promise<unknown> {
    return new Promise(resolve => events.on(name, resolve));
  }
});

test("who gave a connection up over a frame above the limit has it back once it is dialed anew", async t => {
  const heard: string[] = [];
  const bus = await Bus.open(
    {
      received: ({ bytes }) => heard.push(Buffer.from(bytes).subarray(0, 64).toString()),
      unreachable: () => {},
      refused: address => assert.fail(`refused ${address}`),
      shut: why => assert.fail(why),
      estranged: () => assert.fail("estranged"),
    },
    { port: 0, pubPort: 0, keys: [] },
  );
  cleanUp(t, () => bus.close());
  // One of another program: this program's own bus knows better than to send it.
  const publisher = new Publisher({ linger: 0 });
  cleanUp(t, () => publisher.close());
  await publisher.bind("tcp://127.0.0.1:*");
  const publications = { host: "127.0.0.1", port: Number(publisher.lastEndpoint?.split(":").at(-1)) };
  const until = async (text: string) => {
    while (!heard.includes(text)) {
      await publisher.send(text);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  };
  bus.subscribe(publications, { host: "127.0.0.1", port: bus.port });
  await until("before");
  await publisher.send(Buffer.alloc(MAX_FRAME_BYTES * 2));
  await new Promise(resolve => setTimeout(resolve, 200));
  bus.redial({ host: "127.0.0.1", port: bus.port }, publications);
  await until("after");
});

test("what was subscribed before a node's key was found is heard once it is", async t => {
  const [old, fresh] = [keysOf("a secret that is given up"), keysOf("a secret that comes after it")];
  let heard = "";
  const events = {
    received: ({ bytes }: Received) => {
      heard = Buffer.from(bytes).toString();
    },
    unreachable: () => {},
    // Its first key is another one.
    refused: () => {},
    shut: (why: string | undefined) => assert.fail(why),
    estranged: () => assert.fail("estranged"),
  };
  const node = await Bus.open(events, { port: 0, pubPort: 0, keys: [fresh] });
  cleanUp(t, () => node.close());
  const bus = await Bus.open(events, { port: 0, pubPort: 0, keys: [old, fresh] });
  cleanUp(t, () => bus.close());
  const address = { host: "127.0.0.1", port: node.port };
  bus.dial(address);
  bus.subscribe({ host: "127.0.0.1", port: node.pubPort }, address);
  for (const until = performance.now() + 15_000; heard === "" && performance.now() < until; ) {
    node.publish(Buffer.from("news"));
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  assert.equal(heard, "news");
});

test("who comes from a public address is kept out of requests and publications, and reported", t => {
  // A network of its own, where the loopback device has a public address, too.
  const program = `
    import { Bus } from ${JSON.stringify(new URL("../../core/cluster/bus.ts", import.meta.url).href)};
    const refused = [], heard = [];
    const none = () => {};
    const server = await Bus.open({ received: f => heard.push(String(f.bytes)), unreachable: none, refused: a => refused.push(a), estranged: none }, { port: 0, pubPort: 0, keys: [] });
    const stranger = await Bus.open({ received: f => heard.push(String(f.bytes)), unreachable: none, refused: none, estranged: none }, { port: 0, pubPort: 0, keys: [] });
    const friend = await Bus.open({ received: none, unreachable: none, refused: none, estranged: none }, { port: 0, pubPort: 0, keys: [] });
    const outside = { host: "203.0.113.7", port: server.port }, inside = { host: "127.0.0.1", port: server.port };
    stranger.dial(outside);
    stranger.subscribe({ host: "203.0.113.7", port: server.pubPort }, outside);
    friend.dial(inside);
    while (refused.length < 2 || !heard.includes("friend")) {
      stranger.request(outside, Buffer.from("stranger"));
      friend.request(inside, Buffer.from("friend"));
      server.publish(Buffer.from("secret"));
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    console.log(JSON.stringify({ refused: [...new Set(refused)], heard: [...new Set(heard)] }));
    process.exit();`;
  const script = `ip link set lo up && ip addr add 203.0.113.7/32 dev lo || exit 77; exec "$0" --input-type=module --eval "$1"`;
  const { status, stdout, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script, process.execPath, program], {
    encoding: "utf8",
    timeout: 20_000,
  });
  if (status === 77 || stdout === null || /unshare/.test(stderr))
    return t.skip("a network of its own needs Linux, root and iproute2");
  assert.equal(status, 0, stderr);
  const { refused, heard } = JSON.parse(stdout);
  assert.deepEqual(heard, ["friend"]);
  assert.ok(
    refused.every((address: string) => address.endsWith("203.0.113.7")),
    String(refused),
  );
});
