/** How large, how many at a time, how much an hour: files come from the test, time stands still unless moved. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BlobFiles } from "../../core/blobs/files.ts";
import { type UploadLimits, Uploads } from "../../core/blobs/uploads.ts";
import { filesIn, hashOf } from "../helpers/blobs.ts";
import { temporaryDirectory } from "../helpers/node.ts";

async function opened(t: TestContext, limits: Partial<UploadLimits> = {}) {
  const directory = join(temporaryDirectory(t), "blobs");
  const files = await BlobFiles.open(directory);
  const clock = { ms: 0 };
  const uploads = new Uploads(files, { maxBytes: 1_000, bytesPerHour: 0, ...limits }, () => clock.ms);
  let made = 0;
  const fresh = (length: number) => Buffer.alloc(length, `file ${++made} `);
  return { uploads, directory, clock, fresh };
}

const from = (person: string, address = "192.0.2.1") => ({ person, address });

async function* pieces(bytes: Uint8Array, length = 300): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += length) yield bytes.subarray(from, from + length);
}

/** What is never asked for a byte. */
const untouched: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => assert.fail("a byte was asked for"),
};

/** What says nothing until the test lets it go on, or breaks it off. */
function held(first: Uint8Array) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  async function* chunks() {
    yield first;
    await promise;
  }
  return { chunks: chunks(), goOn: resolve, breakOff: () => reject(new Error("the connection is gone")) };
}

test("a file of exactly the limit is kept, and one byte more is not, whether its length was said or not", async t => {
  const { uploads, directory, fresh } = await opened(t);
  const largest = fresh(1_000);
  assert.deepEqual(await uploads.receive(from("ana"), 1_000, pieces(largest)), {
    hash: hashOf(largest),
    size: 1_000,
    isNew: true,
  });
  assert.equal((await uploads.receive(from("ana"), undefined, pieces(fresh(1_000)))).size, 1_000);
  await assert.rejects(uploads.receive(from("ana"), 1_001, untouched), { code: "too-large" });
  await assert.rejects(uploads.receive(from("ana"), undefined, pieces(fresh(1_001))), { code: "too-large" });
  assert.equal(filesIn(directory).length, 2);
  assert.equal(uploads.size, 0);
});

test("an empty file is none", async t => {
  const { uploads, directory } = await opened(t);
  await assert.rejects(uploads.receive(from("ana"), 0, untouched), { code: "invalid" });
  await assert.rejects(uploads.receive(from("ana"), undefined, pieces(Buffer.alloc(0))), { code: "invalid" });
  assert.deepEqual(filesIn(directory), []);
});

test("what is cut off leaves nothing, and makes room for the next", async t => {
  const { uploads, directory, fresh } = await opened(t);
  const one = held(fresh(300));
  const cut = assert.rejects(uploads.receive(from("ana"), 900, one.chunks), /the connection is gone/);
  assert.equal(uploads.size, 1);
  one.breakOff();
  await cut;
  assert.equal(uploads.size, 0);
  assert.deepEqual(filesIn(directory), []);
});

test("one person sends four at a time, one network thirty-two, all of them sixty-four", async t => {
  const { uploads, fresh } = await opened(t);
  const waiting: ReturnType<typeof held>[] = [];
  const send = (person: string, address?: string) => {
    const one = held(fresh(100));
    waiting.push(one);
    return uploads.receive(from(person, address), 100, one.chunks);
  };
  const limited = { code: "rate-limited", details: { retryAfterMs: 1_000 } };
  const sent = Array.from({ length: 4 }, () => send("ana"));
  await assert.rejects(uploads.receive(from("ana", "192.0.2.2"), 100, untouched), limited);
  for (let index = 4; index < 32; index++) sent.push(send(`person ${index >> 2}`));
  assert.ok(uploads.isCrowded);
  await assert.rejects(uploads.receive(from("somebody else"), 100, untouched), limited);
  for (let index = 32; index < 64; index++) sent.push(send(`person ${index >> 2}`, `2001:db8::${index}:0:0:0:1`));
  assert.equal(uploads.size, 64);
  await assert.rejects(uploads.receive(from("somebody else", "198.51.100.1"), 100, untouched), limited);
  const settled = uploads.settled();
  for (const { goOn } of waiting) goOn();
  await Promise.all([...sent, settled]);
  assert.equal(uploads.size, 0);
  assert.ok(!uploads.isCrowded);
  await uploads.receive(from("ana"), 100, pieces(fresh(100)));
});

test("so many bytes an hour are a person's, and what is not sent is given back", async t => {
  const { uploads, clock, fresh } = await opened(t, { maxBytes: 100_000, bytesPerHour: 200_000 });
  await uploads.receive(from("ana"), 100_000, pieces(fresh(100_000)));
  await uploads.receive(from("ana"), undefined, pieces(fresh(50_000)));
  const one = held(fresh(20_000));
  const cut = assert.rejects(uploads.receive(from("ana"), 50_000, one.chunks));
  await assert.rejects(uploads.receive(from("ana"), 100, untouched), { code: "rate-limited" });
  await uploads.receive(from("bo"), 100_000, pieces(fresh(100_000)));
  one.breakOff();
  await cut;
  // The piece that came counts.
  await assert.rejects(uploads.receive(from("ana"), 30_001, untouched), {
    code: "rate-limited",
    details: { retryAfterMs: 19 },
  });
  await assert.rejects(uploads.receive(from("ana"), undefined, pieces(fresh(30_001), 30_001)), {
    code: "rate-limited",
  });
  // It came, too.
  await assert.rejects(uploads.receive(from("ana"), 1, untouched), { code: "rate-limited" });
  clock.ms += 1_800_000;
  await uploads.receive(from("ana"), 100_000, pieces(fresh(100_000)));
  await assert.rejects(uploads.receive(from("ana"), 20_000, untouched), { code: "rate-limited" });
});

test("tiny files are counted by what they take", async t => {
  const { uploads, fresh } = await opened(t, { maxBytes: 100_000, bytesPerHour: 1_000_000 });
  let taken = 0;
  await assert.rejects(
    async () => {
      for (; taken < 100; taken++) await uploads.receive(from("ana"), 16, pieces(fresh(16)));
    },
    { code: "rate-limited" },
  );
  assert.equal(taken, Math.floor(1_000_000 / 16_384));
});
