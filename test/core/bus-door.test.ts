/** Who is let into the bus, who is not, and what is said of those. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import test, { type TestContext } from "node:test";
import { Dealer, type Router } from "zeromq";
import { Bus, type BusOptions } from "../../core/cluster/bus.ts";
import { openDoor } from "../../core/cluster/doorkeeper.ts";
import { keysOf } from "../../core/cluster/keys.ts";
import { Strangers } from "../../core/cluster/strangers.ts";
import { type Connection, parseConnections } from "../../core/connections.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { at } from "../suites/samples.ts";

const own = keysOf("a secret of this cluster");
const other = keysOf("a secret of another cluster");
const client = ({ publicKey, secretKey }: typeof own, curveServerKey: string) => ({
  curvePublicKey: publicKey,
  curveSecretKey: secretKey,
  curveServerKey,
});
const noList = !existsSync("/proc/self/net/tcp") && "only Linux lists the connections of a machine";
const RIGHT = client(own, own.publicKey);

/** A bus that remembers what came and who was refused, and whose doors the test can take away. */
async function newBus(t: TestContext, options: Partial<BusOptions> = {}) {
  const heard: string[] = [];
  const refused: (string | undefined)[] = [];
  const shut: (string | undefined)[] = [];
  const doors: Router[] = [];
  let openAgain = () => {};
  const again = new Promise<void>(resolve => {
    openAgain = resolve;
  });
  const waiting = new Set<() => void>();
  const push = <Item>(list: Item[], item: Item) => {
    list.push(item);
    for (const check of [...waiting]) check();
  };
  const bus = await Bus.open(
    {
      received: ({ bytes }) => push(heard, Buffer.from(bytes).toString()),
      unreachable: () => {},
      refused: address => push(refused, address),
      shut: why => push(shut, why),
      estranged: () => {},
    },
    { port: 0, pubPort: 0, keys: [own], ...options },
    async context => {
      // The first opens with the bus, the others when the test lets them.
      if (doors.length > 0) await again;
      const door = await openDoor(context);
      doors.push(door);
      return door;
    },
  );
  cleanUp(t, () => bus.close());
  const until = (holds: () => boolean) =>
    new Promise<void>(resolve => {
      const check = () => {
        if (holds() && waiting.delete(check)) resolve();
      };
      waiting.add(check);
      check();
    });
  return { bus, heard, refused, shut, doors, openAgain, until };
}

/** A peer of another program; `failed` resolves when it is refused. */
function newPeer(t: TestContext, port: number, security: object) {
  const socket = new Dealer({ linger: 0, immediate: true, reconnectInterval: 50, ...security });
  cleanUp(t, () => socket.close());
  const failed = new Promise<void>(resolve => {
    for (const event of ["handshake:error:protocol", "handshake:error:auth", "handshake:error:other"] as const)
      socket.events.on(event, () => resolve());
  });
  socket.connect(`tcp://127.0.0.1:${port}`);
  return { socket, failed };
}

for (const [what, security] of [
  ["sends in plain text", {}],
  ["has a name and a password", { plainUsername: "node", plainPassword: "secret" }],
  ["pins another server's key", client(other, other.publicKey)],
  ["knows the server's key, and has one of its own", client(other, own.publicKey)],
] as const)
  for (const door of ["requests", "publications"] as const)
    test(`who ${what} is kept out of ${door}, and its address is said`, async t => {
      const { bus, heard, refused, until } = await newBus(t);
      // As a node does that was given the wrong secret. Some are gone before the system can be asked for their address.
      for (const isNamed = () => refused.includes(noList ? undefined : "127.0.0.1"); !isNamed(); ) {
        const { socket, failed } = newPeer(t, door === "requests" ? bus.port : bus.pubPort, security);
        socket.send("let me in").catch(() => {});
        await Promise.race([failed, until(isNamed)]);
        await new Promise(resolve => setTimeout(resolve, 100));
        socket.close();
      }
      const friend = newPeer(t, bus.port, RIGHT);
      await friend.socket.send("friend");
      await until(() => heard.includes("friend"));
      assert.deepEqual(heard, ["friend"]);
    });

test("who speaks another protocol is said, too", { skip: noList }, async t => {
  const { bus, heard, refused, until } = await newBus(t);
  const socket = connect(bus.port, "127.0.0.1");
  cleanUp(t, () => socket.destroy());
  // The beginning of a TLS hello.
  socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0]));
  await until(() => refused.includes("127.0.0.1"));
  assert.deepEqual(heard, []);
});

test("those who are let in are not taken for strangers when they leave", { skip: noList }, async t => {
  const { bus, heard, refused, until } = await newBus(t);
  for (let count = 0; count < 5; count++) {
    const friend = new Dealer({ linger: 0, immediate: true, ...RIGHT });
    cleanUp(t, () => friend.close());
    friend.connect(`tcp://127.0.0.2:0;127.0.0.1:${bus.port}`);
    await friend.send(`friend ${count}`);
    await until(() => heard.includes(`friend ${count}`));
    friend.close();
  }
  newPeer(t, bus.port, client(other, other.publicKey));
  await until(() => refused.includes("127.0.0.1"));
  assert.ok(!refused.includes("127.0.0.2"), String(refused));
});

test("while nobody keeps the door nobody enters, which is said, and then it is kept again", async t => {
  const { bus, heard, refused, shut, doors, openAgain, until } = await newBus(t);
  const before = newPeer(t, bus.port, RIGHT);
  await before.socket.send("before");
  await until(() => heard.includes("before"));
  at(doors, 0).close();
  await until(() => shut.length > 0);
  assert.equal(typeof shut[0], "string");
  for (const security of [RIGHT, client(other, own.publicKey)]) {
    refused.length = 0;
    const { socket } = newPeer(t, bus.port, security);
    socket.send("too early").catch(() => {});
    await until(() => refused.length > 0);
    socket.close();
  }
  // Who is in already stays in.
  await before.socket.send("still in");
  await until(() => heard.includes("still in"));
  openAgain();
  await until(() => shut.length > 1);
  assert.deepEqual(shut.slice(1), [undefined]);
  const after = newPeer(t, bus.port, RIGHT);
  await after.socket.send("after");
  await until(() => heard.includes("after"));
  await newPeer(t, bus.port, client(other, own.publicKey)).failed;
  assert.deepEqual(heard, ["before", "still in", "after"]);
});

test("without a secret, too, nobody enters while nobody keeps the door", async t => {
  const { bus, heard, refused, shut, doors, openAgain, until } = await newBus(t, { keys: [] });
  at(doors, 0).close();
  await until(() => shut.length > 0);
  const early = newPeer(t, bus.port, {});
  early.socket.send("too early").catch(() => {});
  await until(() => refused.length > 0);
  early.socket.close();
  openAgain();
  await until(() => shut.length > 1);
  const after = newPeer(t, bus.port, {});
  await after.socket.send("after");
  await until(() => heard.includes("after"));
  assert.deepEqual(heard, ["after"]);
});

test("a question that is none of ZeroMQ's own harms the doorkeeper in nothing", async t => {
  let context: ConstructorParameters<typeof Dealer>[0] = {};
  const bus = await Bus.open(
    {
      received: () => {},
      unreachable: () => {},
      refused: () => {},
      shut: why => assert.fail(why),
      estranged: () => {},
    },
    { port: 0, pubPort: 0, keys: [own] },
    async shared => {
      context = { context: shared };
      return openDoor(shared);
    },
  );
  cleanUp(t, () => bus.close());
  const asker = new Dealer({ linger: 0, ...context });
  cleanUp(t, () => asker.close());
  asker.connect("inproc://zeromq.zap.01");
  const key = Buffer.alloc(32);
  const questions: (string | Buffer)[][] = [
    [""],
    ["", "1.0"],
    ["", "1.0", "a"],
    ["", "1.0", "b", "domain", "no address", "", "CURVE", key],
    ["", "1.0", "c", "", "", "", "CURVE", Buffer.alloc(3)],
    ["", "1.0", "d", "domain", "10.0.0.1", "", "NULL"],
  ];
  for (const question of questions) await asker.send(question);
  const answers: string[][] = [];
  while (answers.length < 4) answers.push((await asker.receive()).map(String));
  assert.deepEqual(
    answers.map(answer => answer.slice(2, 4)),
    ["a", "b", "c", "d"].map(id => [id, "400"]),
  );
});

const LITTLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1772 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1772 0200000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
`;
const LITTLE6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF00000100007F:1772 0000000000000000FFFF00000200000A:C002 06 00000000:00000000 03:00000F00 00000000
   1: B80D0120000000000000000001000000:1772 B80D0120000000000000000007000000:C003 08 00000000:00000000 03:00000F00 00000000
`;

test("Linux' list of connections is read in either byte order, and whatever is no line of it is passed over", () => {
  assert.deepEqual(
    parseConnections(LITTLE, true).map(({ port, address, isOpen }) => [port, address, isOpen]),
    [[6002, "10.0.0.2", true]],
  );
  assert.deepEqual(
    parseConnections(LITTLE6, true).map(({ address, isOpen }) => [address, isOpen]),
    [
      ["10.0.0.2", false],
      ["2001:db8::7", false],
    ],
  );
  const big = LITTLE.replace("0200000A:C001", "0A000002:C001");
  assert.deepEqual(at(parseConnections(big, false), 0).address, "10.0.0.2");
  for (const rubbish of ["", "\n\n", "sl local", "0: x:1 y:2 01 ", " 1: 0100007F:17720200000A:C001 01 "])
    assert.deepEqual(parseConnections(rubbish), []);
});

test("a connection that ends without having been let in was a stranger's, once", t => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const list: Connection[] = [];
  const connection = (end: string, address: string, isOpen = true) => ({ port: 1, remote: end, address, isOpen });
  const refused: (string | undefined)[] = [];
  const strangers = new Strangers(
    address => refused.push(address),
    () => list,
  );
  t.after(() => strangers.close());
  list.push(connection("0", "10.0.0.9", false), { ...connection("1", "10.0.0.8", false), port: 2 });
  strangers.watch([1]);
  const look = () => {
    strangers.changed();
    t.mock.timers.tick(1_000);
  };
  list.push(connection("a", "10.0.0.1"), connection("b", "10.0.0.2"), connection("c", "10.0.0.3", false));
  strangers.admitted("::ffff:10.0.0.1");
  look();
  assert.deepEqual(refused, ["10.0.0.3"], "what was over before, and other ports, are not counted");
  list.length = 0;
  look();
  assert.deepEqual(refused, ["10.0.0.3", "10.0.0.2"]);
  look();
  assert.deepEqual(refused.length, 2);
});
