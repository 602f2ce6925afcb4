/** What plugins return, held against what was agreed. */
import { types } from "node:util";

/** What a synchronous call returned; throws where it is something to wait for. */
export function plain<Result>(result: Result): Result {
  if (types.isPromise(result)) {
    // Nobody is there to hear of it.
    Promise.prototype.then.call(result, undefined, () => {});
    throw new Error("it returned a promise");
  }
  if (isObject(result) && typeof result.then === "function")
    throw new Error("it returned an object with a then() that is no promise: await it in an async hook");
  return result;
}

/** What a call returned, and has to be something; `mend` says of what. */
export function something<Result>(result: Result, mend = "return the body"): Result {
  if (result === undefined) throw new Error(`it returned nothing: ${mend}`);
  return result;
}

/** Deeper than what MessagePack may bring. */
const MAX_DEPTH = 64;

/** A body as browsers can be told it; throws where it would take what else they are told at that moment along. */
export function tellable<Body>(body: Body, depth = 0): Body {
  if (typeof body === "bigint") throw new Error("a body has a BigInt in it, which no browser can be told");
  if (typeof body !== "object" || body === null || ArrayBuffer.isView(body)) return body;
  if (depth > MAX_DEPTH) throw new Error("a body is too deep, or refers to itself");
  // Whatever writes JSON calls that, too, and takes what it returns.
  if ("toJSON" in body && typeof body.toJSON === "function") tellable(body.toJSON(), depth + 1);
  if (Array.isArray(body)) for (const part of body) tellable(part, depth + 1);
  else for (const name in body) tellable(body[name], depth + 1);
  return body;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
