/** Where the native library is unpacked, and who may have a hand in it. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { foldersFor, unpack } from "../../core/native.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const built = join(import.meta.dirname, "../../node_modules/zeromq/build", process.platform, process.arch);
// Of zeromq's libraries for Linux this one loads on every system that Node starts on.
const [found = ""] = globSync("node/{glibc-127,libc,msvc}-*/addon.node", { cwd: built });
const bytes = readFileSync(join(built, found));

/** A file of these bytes that is named as in the executable. */
function packed(t: TestContext, bytes: Uint8Array): string {
  const path = join(temporaryDirectory(t), `zeromq-${hash("sha256", bytes)}.node`);
  writeFileSync(path, bytes);
  return path;
}

const windows = process.platform === "win32";
const own = windows ? "web-chat" : `web-chat-${process.getuid?.()}`;

const settings = { dataDir: "chat", nativeDir: undefined };

test("the data folder comes first, then the user's cache, then the system's temporary folder", () => {
  const last = join(tmpdir(), own);
  assert.deepEqual(foldersFor(settings, { XDG_CACHE_HOME: resolve("/cache") }), [
    resolve("chat/native"),
    resolve("/cache/web-chat"),
    last,
  ]);
  const [first, cache] = foldersFor(settings, {});
  assert.equal(first, resolve("chat/native"));
  assert.match(cache as string, /[\\/]\.cache[\\/]web-chat$/);
  assert.deepEqual(foldersFor(settings, { XDG_CACHE_HOME: "relative" }), foldersFor(settings, {}));
});

test("of a folder whose data folders are shared out it is the folder itself", () => {
  assert.equal(foldersFor({ ...settings, dataDir: join("chats", "*") }, {})[0], resolve("chats/native"));
});

test("a folder that is named is the only one, and has one inside that is this user's alone", () => {
  assert.deepEqual(foldersFor({ ...settings, nativeDir: "lib" }, {}), [resolve("lib", own)]);
});

test("the library is written to a private folder, and loaded from there", t => {
  const folder = join(temporaryDirectory(t), "deep", "er");
  const inside = packed(t, bytes);
  const { library, path } = unpack(inside, [folder]);
  assert.equal(typeof (library as { Socket: unknown }).Socket, "function");
  assert.match(path, /zeromq-[0-9a-f]{16}\.node$/);
  assert.deepEqual(readFileSync(path), bytes);
  if (!windows) for (const made of [folder, dirname(folder)]) assert.equal(statSync(made).mode & 0o777, 0o700, made);
  assert.equal(unpack(inside, [folder]).path, path, "and found again");
  assert.deepEqual(readdirSync(folder).length, 1);
});

test("a folder that others could write to is made private first", { skip: windows && "Windows" }, t => {
  const folder = join(temporaryDirectory(t), "shared");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  unpack(packed(t, bytes), [folder]);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test("a link in the folder's place is not followed", { skip: windows && "links need rights on Windows" }, t => {
  const directory = temporaryDirectory(t);
  const [elsewhere, link, next] = ["elsewhere", "link", "next"].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, link);
  assert.ok(unpack(packed(t, bytes), [link, next]).path.startsWith(next));
  assert.deepEqual(readdirSync(elsewhere), []);
});

test("a folder of another user is left alone", { skip: process.getuid?.() !== 0 && "it takes root to make one" }, t => {
  const directory = temporaryDirectory(t);
  const [theirs, next] = [join(directory, "theirs"), join(directory, "next")];
  mkdirSync(theirs);
  chownSync(theirs, 4_242, 4_242);
  assert.ok(unpack(packed(t, bytes), [theirs, next]).path.startsWith(next));
  assert.deepEqual(readdirSync(theirs), []);
});

test("what cannot be loaded is refused in one line, with the reason for each folder, and leaves nothing behind", t => {
  const directory = temporaryDirectory(t);
  const [file, folder] = [join(directory, "file", "native"), join(directory, "folder")];
  symlinkSync("nowhere", join(directory, "file"));
  const inside = packed(t, Buffer.from("no library"));
  assert.throws(
    () => unpack(inside, [file, folder]),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "native-dir");
      assert.ok(!error.message.includes("\n"));
      assert.ok(error.message.includes(`${file} (`) && error.message.includes(`${folder} (`), error.message);
      assert.match(error.message, /set NATIVE_DIR/);
      return true;
    },
  );
  assert.deepEqual(readdirSync(folder), []);
});
