/** How many files are sent at a time. */
import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import test from "node:test";
import type { BlobInfo } from "../../core/blobs/files.ts";
import { BlobHttp, type BlobHttpParts } from "../../core/blobs/http.ts";

const HASH = "a".repeat(64);

/** Asks for a file as somebody; what comes back has the status, when there is one. */
function newAsking() {
  const found = Promise.withResolvers<BlobInfo | undefined>();
  const parts: Partial<BlobHttpParts> = {
    files: { isDamaged: () => false } as unknown as BlobHttpParts["files"],
    people: { ofToken: token => ({ id: token, name: token }), ofTicket: () => undefined },
    find: () => found.promise,
    failed: (what, error) => assert.fail(`${what}: ${error}`),
  };
  const http = new BlobHttp(parts as BlobHttpParts);
  const ask = (person: string) => {
    const request = new IncomingMessage(new Socket());
    Object.assign(request, { method: "GET", url: `/blobs/${HASH}`, complete: true });
    request.headers.authorization = `Bearer ${person}`;
    const response = new ServerResponse(request);
    return { response, answered: http.answer(`/blobs/${HASH}`, request, response) };
  };
  return { http, ask, found };
}

test("a person is sent 64 files at a time, and all of them 2,048; the others are told to come again", async () => {
  const { http, ask, found } = newAsking();
  const asked = Array.from({ length: 2_048 }, (_, index) => ask(`person-${index % 32}`));
  assert.equal(http.sending, 2_048);
  for (const person of ["person-0", "somebody-else"]) {
    const { response, answered } = ask(person);
    await answered;
    assert.deepEqual([response.statusCode, response.getHeader("Retry-After")], [429, "1"], person);
  }
  found.resolve(undefined);
  await Promise.all(asked.map(({ answered }) => answered));
  for (const { response } of asked) assert.equal(response.statusCode, 404);
  assert.equal(http.sending, 0);
  const { response, answered } = ask("person-0");
  await answered;
  assert.equal(response.statusCode, 404);
});
