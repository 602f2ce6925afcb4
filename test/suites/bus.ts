/** What every bus promises to the cluster above it, over real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import type { Bus, BusEvents, Received } from "../../core/cluster/bus.ts";
import type { Address } from "../../core/cluster/membership.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { freePort } from "../helpers/port.ts";

/** The functions of a bus that the cluster calls. */
export type Subject = Pick<
  Bus,
  | "port"
  | "pubPort"
  | "publish"
  | "subscribe"
  | "unsubscribe"
  | "dial"
  | "hangUp"
  | "request"
  | "greet"
  | "redial"
  | "flush"
  | "close"
  | "queued"
  | "dropped"
>;
export type Open = (events: BusEvents, ports: { port: number; pubPort: number }) => Promise<Subject>;

const HOST = "127.0.0.1";
const PATIENCE_MS = 15_000;
/** A cluster publishes again and again; a lost first frame is no failure. */
const AGAIN_MS = 10;

/** Cases for a bus; `maxFrameBytes` is the longest frame that it takes. */
export function busSuite(name: string, open: Open, { maxFrameBytes }: { maxFrameBytes: number }): void {
  /** A bus that remembers what came, and answers requests that begin with `?` with the rest of them. */
  async function newBus(
    t: TestContext,
    ports = { port: 0, pubPort: 0 },
    refused: BusEvents["refused"] = address => assert.fail(`refused ${address}`),
  ) {
    const received: (Received & { text: string })[] = [];
    const unreachable: string[] = [];
    const waiting = new Set<() => void>();
    const changed = () => {
      for (const check of [...waiting]) check();
    };
    const events: BusEvents = {
      received(frame) {
        const text = Buffer.from(frame.bytes).subarray(0, 64).toString();
        received.push({ ...frame, text });
        if (text.startsWith("?")) frame.answer?.(frame.bytes.subarray(1));
        changed();
      },
      unreachable(address) {
        unreachable.push(`${address.host}:${address.port}`);
        changed();
      },
      refused,
      shut: why => assert.fail(why),
      estranged: ({ host, port }) => assert.fail(`estranged from ${host}:${port}`),
    };
    const bus = await open(events, ports);
    let isOpen = true;
    const close = () => {
      if (isOpen) bus.close();
      isOpen = false;
    };
    cleanUp(t, close);
    /** Resolves when `holds`; meanwhile does `again`, if given, over and over. */
    const until = async (holds: () => boolean, again: () => void = () => {}) => {
      let timer: NodeJS.Timeout | undefined;
      let check = () => {};
      try {
        await new Promise<void>((resolve, reject) => {
          const deadline = performance.now() + PATIENCE_MS;
          check = () => {
            if (holds()) resolve();
          };
          waiting.add(check);
          timer = setInterval(() => {
            if (performance.now() > deadline) reject(new Error(`did not come about: ${holds}`));
            again();
          }, AGAIN_MS);
          again();
          check();
        });
      } finally {
        clearInterval(timer);
        waiting.delete(check);
      }
    };
    const texts = () => received.map(({ text }) => text);
    const at: Address = { host: HOST, port: bus.port };
    const publications: Address = { host: HOST, port: bus.pubPort };
    return { bus, at, publications, received, texts, unreachable, until, close };
  }
  type TestBus = Awaited<ReturnType<typeof newBus>>;

  /** `reader` hears what `writer` publishes from now on. */
  async function subscribed(reader: TestBus, writer: TestBus): Promise<void> {
    reader.bus.subscribe(writer.publications, writer.at);
    await reader.until(
      () => reader.texts().includes("first"),
      () => writer.bus.publish(Buffer.from("first")),
    );
  }

  /** `asker` asks at an address, and gets an answer. */
  async function asked(asker: TestBus, address: Address, text: string): Promise<void> {
    await asker.until(
      () => asker.texts().includes(text),
      () => asker.bus.request(address, Buffer.from(`?${text}`)),
    );
  }

  test(`${name}: a publication reaches every subscriber, whole and in order`, async t => {
    const [writer, one, two] = [await newBus(t), await newBus(t), await newBus(t)];
    await Promise.all([subscribed(one, writer), subscribed(two, writer)]);
    for (let count = 0; count < 200; count++) writer.bus.publish(Buffer.from(`number ${count}`));
    const expected = Array.from({ length: 200 }, (_, count) => `number ${count}`);
    for (const reader of [one, two]) {
      const numbers = () => reader.texts().filter(text => text.startsWith("number"));
      await reader.until(() => numbers().length === 200);
      assert.deepEqual(numbers(), expected);
      assert.equal(reader.received.at(-1)?.at, undefined);
    }
    assert.deepEqual(writer.texts(), [], "nobody hears itself");
  });

  test(`${name}: a request is answered to whoever asked, and the answer says where`, async t => {
    const [server, one, two] = [await newBus(t), await newBus(t), await newBus(t)];
    for (const asker of [one, two]) asker.bus.dial(server.at);
    one.bus.request(server.at, Buffer.from("?one"));
    two.bus.request(server.at, Buffer.from("?two"));
    await one.until(() => one.received.length > 0);
    await two.until(() => two.received.length > 0);
    assert.deepEqual([one.texts(), two.texts()], [["one"], ["two"]]);
    assert.deepEqual(one.received[0]?.at, server.at);
    assert.deepEqual(server.texts().sort(), ["?one", "?two"]);
  });

  test(`${name}: a frame up to the limit arrives as it was sent`, async t => {
    const [server, asker] = [await newBus(t), await newBus(t)];
    asker.bus.dial(server.at);
    const bytes = Buffer.alloc(maxFrameBytes, 7);
    asker.bus.request(server.at, bytes);
    await server.until(() => server.received.length > 0);
    assert.ok(bytes.equals(server.received[0]?.bytes as Uint8Array));
  });

  test(`${name}: an address where nobody listens is unreachable, and reached as soon as somebody does`, async t => {
    const asker = await newBus(t);
    const port = await freePort();
    asker.bus.dial({ host: HOST, port });
    await asker.until(() => asker.unreachable.includes(`${HOST}:${port}`));
    const server = await newBus(t, { port, pubPort: 0 });
    await asked(asker, server.at, "there");
  });

  test(`${name}: a port that is in use is said, and nothing stays open`, async t => {
    const [taken, free] = [await freePort(), await freePort()];
    const server = createServer().listen(taken, "0.0.0.0");
    await once(server, "listening");
    cleanUp(t, () => server.close());
    const inUse = { name: "Reject", code: "port-in-use", message: new RegExp(String(taken)) };
    await assert.rejects(newBus(t, { port: taken, pubPort: free }), inUse);
    await assert.rejects(newBus(t, { port: free, pubPort: taken }), inUse);
    await assert.rejects(newBus(t, { port: (await newBus(t)).bus.port, pubPort: free }), { code: "port-in-use" });
    await opened(() => newBus(t, { port: free, pubPort: 0 }));
  });

  test(`${name}: closing gives both ports free`, async t => {
    const { bus, close } = await newBus(t);
    const ports = { port: bus.port, pubPort: bus.pubPort };
    assert.ok(ports.port > 0 && ports.pubPort > 0 && ports.port !== ports.pubPort);
    close();
    const again = await opened(() => newBus(t, ports));
    assert.deepEqual({ port: again.bus.port, pubPort: again.bus.pubPort }, ports);
  });

  test(`${name}: a peer that is closed and opened again on its ports is heard and answers without being dialed anew`, async t => {
    const [reader, before] = [await newBus(t), await newBus(t)];
    await subscribed(reader, before);
    reader.bus.dial(before.at);
    await asked(reader, before.at, "before");
    before.close();
    const after = await opened(() => newBus(t, { port: before.bus.port, pubPort: before.bus.pubPort }));
    await reader.until(
      () => reader.texts().includes("again"),
      () => after.bus.publish(Buffer.from("again")),
    );
    await asked(reader, after.at, "after");
  });

  test(`${name}: who is unsubscribed from is not heard, who is hung up is not asked any more`, async t => {
    const [reader, silent, heard] = [await newBus(t), await newBus(t), await newBus(t)];
    await subscribed(reader, silent);
    await subscribed(reader, heard);
    reader.bus.dial(silent.at);
    await asked(reader, silent.at, "before");
    reader.bus.unsubscribe(silent.publications);
    reader.bus.hangUp(silent.at);
    reader.bus.request(silent.at, Buffer.from("?after"));
    reader.received.length = 0;
    let count = 0;
    // Frames of the one that is still heard show that there was time enough.
    await reader.until(
      () => reader.texts().filter(text => text === "heard").length > 20,
      () => {
        heard.bus.publish(Buffer.from("heard"));
        if (++count > 5) silent.bus.publish(Buffer.from("late"));
      },
    );
    assert.ok(!reader.texts().includes("late"));
    assert.ok(!silent.texts().includes("?after"));
    reader.bus.hangUp(silent.at);
  });

  test(`${name}: a frame above the limit costs its sender the connection, and nobody else anything`, async t => {
    const [server, bad, good] = [await newBus(t), await newBus(t), await newBus(t)];
    for (const asker of [bad, good]) asker.bus.dial(server.at);
    await asked(good, server.at, "before");
    await asked(bad, server.at, "small");
    bad.bus.request(server.at, Buffer.alloc(maxFrameBytes * 2));
    await asked(good, server.at, "after");
    await asked(bad, server.at, "back");
    assert.ok(server.received.every(({ bytes }) => bytes.length <= maxFrameBytes));
  });

  test(`${name}: a publication above the limit is not sent, and those after it arrive`, async t => {
    const [writer, reader] = [await newBus(t), await newBus(t)];
    await subscribed(reader, writer);
    writer.bus.publish(Buffer.alloc(maxFrameBytes + 1));
    assert.equal(writer.bus.dropped, 1);
    writer.bus.publish(Buffer.from("small"));
    await reader.until(() => reader.texts().includes("small"));
    assert.ok(reader.received.every(({ bytes }) => bytes.length <= maxFrameBytes));
  });

  test(`${name}: an answer above the limit is not sent, and those after it arrive`, async t => {
    const [server, asker] = [await newBus(t), await newBus(t)];
    asker.bus.dial(server.at);
    asker.bus.request(server.at, Buffer.from("question"));
    await server.until(() => server.texts().includes("question"));
    server.received[0]?.answer?.(Buffer.alloc(maxFrameBytes + 1));
    assert.equal(server.bus.dropped, 1);
    server.received[0]?.answer?.(Buffer.from("small"));
    await asker.until(() => asker.texts().includes("small"));
    assert.deepEqual(asker.texts(), ["small"]);
  });

  test(`${name}: who is dialed and subscribed to anew answers and is heard as before`, async t => {
    const [reader, writer] = [await newBus(t), await newBus(t)];
    await subscribed(reader, writer);
    reader.bus.dial(writer.at);
    await asked(reader, writer.at, "before");
    reader.bus.redial(writer.at, writer.publications);
    await asked(reader, writer.at, "after");
    await reader.until(
      () => reader.texts().includes("again"),
      () => writer.bus.publish(Buffer.from("again")),
    );
    reader.bus.redial(writer.at, undefined);
    await asked(reader, writer.at, "at last");
  });

  test(`${name}: a host that is none is unreachable`, async t => {
    const asker = await newBus(t);
    const hosts = ["a b", "*", "_x", "-x", "ho/st", "ä"];
    for (const host of hosts) {
      asker.bus.dial({ host, port: 7 });
      asker.bus.greet({ host, port: 7 }, () => Buffer.from("hello"));
    }
    assert.deepEqual(
      asker.unreachable,
      hosts.map(host => `${host}:7`),
    );
    assert.equal(asker.bus.queued, 0);
  });

  test(`${name}: strangers that send rubbish, or nothing, do no harm`, async t => {
    const [server, asker] = [await newBus(t, undefined, () => {}), await newBus(t)];
    const greeting = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]);
    const junk = [
      Buffer.from("GET / HTTP/1.1\r\nHost: chat\r\n\r\n"),
      Buffer.alloc(100_000, 0xff),
      Buffer.alloc(64),
      Buffer.from([]),
      greeting,
      Buffer.concat([greeting, Buffer.from("NULL"), Buffer.alloc(48), Buffer.alloc(1_000, 0xff)]),
    ];
    const strangers: Socket[] = [];
    cleanUp(t, () => {
      for (const stranger of strangers) stranger.destroy();
    });
    for (const port of [server.bus.port, server.bus.pubPort])
      for (const bytes of junk) {
        const stranger = connect(port, HOST);
        // The bus may hang up on it at any time.
        stranger.on("error", () => {});
        strangers.push(stranger);
        await once(stranger, "connect");
        stranger.write(bytes);
      }
    asker.bus.dial(server.at);
    await asked(asker, server.at, "still there");
    await subscribed(asker, server);
    assert.ok(server.texts().every(text => text === "?still there"));
  });

  test(`${name}: more sends at once than ZeroMQ lets overlap all arrive`, async t => {
    const [reader, writer] = [await newBus(t), await newBus(t)];
    await subscribed(reader, writer);
    reader.bus.dial(writer.at);
    await asked(reader, writer.at, "ready");
    for (let count = 0; count < 900; count++) writer.bus.publish(Buffer.from("publication"));
    for (let count = 0; count < 900; count++) reader.bus.request(writer.at, Buffer.from("?answer"));
    await reader.until(() => reader.texts().filter(text => text === "publication").length === 900);
    await reader.until(() => reader.texts().filter(text => text === "answer").length === 900);
    assert.equal(writer.bus.dropped, 0);
    assert.equal(reader.bus.dropped, 0);
    assert.equal(writer.bus.queued, 0);
  });

  test(`${name}: what waits for somebody who is not there is bounded, and what is dropped is counted`, async t => {
    const asker = await newBus(t);
    const address = { host: HOST, port: await freePort() };
    asker.bus.dial(address);
    for (let count = 0; count < 20_000; count++) asker.bus.request(address, Buffer.alloc(100));
    assert.ok(asker.bus.queued <= 10_000, `${asker.bus.queued} wait`);
    assert.ok(asker.bus.queued + asker.bus.dropped >= 19_999);
  });

  test(`${name}: however often somebody who is not there is greeted, one greeting waits`, async t => {
    const asker = await newBus(t);
    const address = { host: HOST, port: await freePort() };
    asker.bus.dial(address);
    let made = 0;
    for (let count = 0; count < 1_000; count++)
      asker.bus.greet(address, () => {
        made++;
        return Buffer.from("hello");
      });
    assert.equal(made, 1);
    assert.equal(asker.bus.queued, 0);
    assert.equal(asker.bus.dropped, 0);
    const server = await newBus(t, { port: address.port, pubPort: 0 });
    await server.until(() => server.texts().length > 0);
    assert.deepEqual(server.texts(), ["hello"]);
    await server.until(
      () => server.texts().length > 1,
      () => asker.bus.greet(address, () => Buffer.from("hello")),
    );
  });

  test(`${name}: what is published into nowhere, asked of nobody or answered too late is no error`, async t => {
    const [server, asker] = [await newBus(t), await newBus(t)];
    server.bus.publish(Buffer.from("into nowhere"));
    asker.bus.request(server.at, Buffer.from("never dialed"));
    asker.bus.dial(server.at);
    asker.bus.request(server.at, Buffer.from("question"));
    await server.until(() => server.texts().includes("question"));
    const { answer } = server.received.at(-1) as Received;
    asker.close();
    answer?.(Buffer.from("too late"));
    const other = await newBus(t);
    other.bus.dial(server.at);
    await asked(other, server.at, "fine");
    await server.bus.flush(1_000);
    server.close();
    answer?.(Buffer.from("far too late"));
    server.bus.publish(Buffer.from("closed"));
    await server.bus.flush(1_000);
  });
}

/** A port that nobody listens on now. */
/** Tries again while a port is in use: sockets are closed on ZeroMQ's own thread, a moment later. */
async function opened<Result>(open: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;)
    try {
      return await open();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    }
}
