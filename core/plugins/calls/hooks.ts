/** A type's hooks on the server as the core calls them: measured, and with what they return looked at. */
import { types } from "node:util";
import { Reject } from "../../errors.ts";
import type {
  AnyServerPlugin,
  Receiving,
  ServerContext,
  ServerHooks,
  Session,
  WebAnswer,
  WebRequest,
} from "../../plugin.ts";
import { fileOf, type PluginFolder } from "../folders.ts";
import type { Caller, Hook } from "./calls.ts";
import { isObject, plain, something } from "./results.ts";

/** What a type does on the server. These throw, and reject with, `Reject` and nothing else. */
export type Hooks = {
  /** It is waited for as long as the node itself is fetching something for it. */
  receive?(input: unknown, context: Receiving, isFetching: () => boolean): unknown | Promise<unknown>;
  joined?(session: Session, context: ServerContext): unknown[];
  left?(session: Session, context: ServerContext): unknown[];
  tick?(context: ServerContext): unknown[];
  /** `withinMs` is how long it may take. */
  request?(request: WebRequest, context: ServerContext, withinMs: number): Promise<Answer>;
  /** What else stands among them, which nobody calls. */
  readonly others: readonly string[];
};
/** What is answered over HTTP; what is to be sent is as the plugin returned it. */
export type Answer = Required<Omit<WebAnswer, "send">> & { readonly send: readonly unknown[] };

const HOOK_NAMES = ["receive", "joined", "left", "tick", "request"] as const;

/** The file of a plugin that has what was called: what that returned has no place of its own. */
export function fileWith({ path }: PluginFolder, called: Hook): string | undefined {
  const isServer = called === "hooks" || (HOOK_NAMES as readonly string[]).includes(called);
  return fileOf(path, isServer ? "server" : "message");
}

/** Throws `Reject` with `plugin-invalid` where there are none. */
export function makeHooks({ message, hooks }: AnyServerPlugin, caller: Caller, settings?: unknown): Hooks {
  const refuse = (why: string) => new Reject("plugin-invalid", `the message type “${message.type}” ${why}`);
  let made: ServerHooks<unknown, unknown>;
  try {
    made = caller.measured("hooks", () => plain(hooks(settings)));
  } catch (error) {
    throw Object.assign(refuse(`could not make its hooks: ${(error as Error)?.message ?? error}`), { cause: error });
  }
  if (typeof made !== "object" || made === null) throw refuse("has no hooks");
  for (const name of HOOK_NAMES)
    if (made[name] !== undefined && typeof made[name] !== "function") throw refuse(`has a ${name} that is no function`);
  return Object.freeze<Hooks>({
    others: Object.keys(made).filter(name => !(HOOK_NAMES as readonly string[]).includes(name)),
    ...(made.receive && {
      receive: (input, context, isFetching) => received(made, caller, { input, context, isFetching }),
    }),
    ...(made.joined && {
      joined: (session, context) => caller.run("joined", () => list(made.joined?.(session, context))),
    }),
    ...(made.left && { left: (session, context) => caller.run("left", () => list(made.left?.(session, context))) }),
    ...(made.tick && { tick: context => caller.run("tick", () => list(made.tick?.(context))) }),
    ...(made.request && {
      request: (request, context, withinMs) => answered(made, caller, { request, context, withinMs }),
    }),
  });
}

function received(
  made: ServerHooks<unknown, unknown>,
  caller: Caller,
  { input, context, isFetching }: { input: unknown; context: Receiving; isFetching: () => boolean },
): unknown | Promise<unknown> {
  const mend = input === undefined ? "parse gave it nothing either, return the body there" : undefined;
  const result = caller.run("receive", () => {
    const body = made.receive?.(input, context);
    return types.isPromise(body) ? body : something(plain(body), mend);
  });
  if (!types.isPromise(result)) return result;
  return caller.settled("receive", result, { isFetching }).then(body => {
    try {
      return something(body, mend);
    } catch (error) {
      throw caller.fault("receive", error);
    }
  });
}

async function answered(
  made: ServerHooks<unknown, unknown>,
  caller: Caller,
  { request, context, withinMs }: { request: WebRequest; context: ServerContext; withinMs: number },
): Promise<Answer> {
  const result = caller.run("request", () => {
    const answer = made.request?.(request, context);
    return types.isPromise(answer) ? answer : plain(answer);
  });
  const answer = types.isPromise(result) ? await caller.settled("request", result, { withinMs }) : result;
  return caller.run("request", () => soundAnswer(answer));
}

/** Media types that name a charset at most: nothing else can stand in the header. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}(; ?charset=[a-z0-9-]{1,32})?$/i;

function soundAnswer(answer: unknown): Answer {
  if (!isObject(answer)) throw new Error("it returned no answer");
  const { body = "", type = "text/plain; charset=utf-8", send = [] } = answer;
  if (typeof body !== "string" && !(body instanceof Uint8Array))
    throw new Error("it answered with a body that is neither text nor bytes");
  const { status = body.length > 0 ? 200 : 204 } = answer;
  if (!Number.isInteger(status) || Number(status) < 200 || Number(status) > 599)
    throw new Error("it answered with a status that is none from 200 to 599");
  if (typeof type !== "string" || !MEDIA_TYPE.test(type)) throw new Error("it answered with a type that is none");
  return { status: Number(status), type, body, send: list(send) };
}

function list(result: unknown): unknown[] {
  if (!Array.isArray(plain(result))) throw new Error("it returned no list: return a list, [] for nothing");
  return result as unknown[];
}
