/** Every code that a client, a peer or a person at the terminal may be refused with, and what it means. */
export const CODES = {
  invalid: "the input does not have the form that its type asks for",
  "too-large": "the input is longer than its type admits",
  "unknown-type": "no plugin on this node defines that message type",
  "not-allowed": "this person may not do that",
  "not-found": "what the message refers to does not exist, or was erased",
  "unknown-room": "there is no room of that id",
  reset: "what the cursor says is not what this node holds; join again without one",
  "not-in-room": "join the room before writing to it",
  "name-required": "a first connection has to say a name",
  "name-taken": "somebody else holds that name",
  "session-unknown": "the session's token is not, or no longer, valid",
  "link-unknown": "the device link was used already, or has expired",
  "rate-limited": "too many requests; try again after retryAfterMs",
  unconfirmed: "kept on this node, but no other has all of it yet; the same id may be sent again after retryAfterMs",
  overloaded: "this node is behind with its work; try again after retryAfterMs",
  "no-space": "the disk of this node is full; nothing was stored",
  "storage-failed": "the disk of this node refused the write; nothing was stored",
  stopping: "this node is shutting down; another one can take the message",
  internal: "this node failed; nothing was stored",
  "plugin-failed": "a plugin on this node failed; nothing was stored",
  // At the command line
  unreachable: "the node does not answer",
  "file-exists": "a file of that name is there already",
  "file-unusable": "the file cannot be read or written",
  "archive-damaged": "the file is no export of web-chat, or is damaged; nothing was stored",
  "archive-newer": "the export was written by a newer version",
  "archive-conflict": "a stream in the file is another one than this node holds; nothing was stored",
  "blob-damaged": "the file is damaged on this node's disk, and no other node that is up has it",
  "not-ready": "the node has not caught up with its cluster yet",
  // At start
  "plugin-invalid": "a plugin in the list breaks the contract",
  "config-invalid": "a setting has a value that cannot be used",
  "port-in-use": "another program listens on that port",
  "host-unknown": "a host name does not resolve",
  "secret-differs": "another node has another cluster secret, or none",
  stranger: "a connection to the bus was refused",
  "bus-shut": "what checks who may enter the bus has failed; nobody else may until it works again",
  "native-dir": "no folder will do to unpack the native library into",
  "data-dir": "the data directory cannot be used",
  "data-dir-busy": "another node runs on that data directory",
  "node-duplicate": "another node runs on a copy of that data directory",
  "node-forgotten": "the node was removed from its cluster",
  "database-corrupt": "the database file is damaged",
  "database-newer": "the database was written by a newer version",
} as const;

export type Code = keyof typeof CODES;

export interface RejectDetails {
  /** Milliseconds after which the same request may succeed. */
  retryAfterMs?: number;
  /** With `name-taken`: a name that is free. */
  suggestion?: string;
}

/** The one way to refuse something: what happened, in words for people, under a code for programs. */
export class Reject extends Error {
  readonly code: Code;
  readonly details: RejectDetails;

  constructor(code: Code, message: string = CODES[code], details: RejectDetails = {}) {
    const { stackTraceLimit } = Error;
    // Who is to try again comes in crowds, and where that was said is no riddle: a trace costs more than all else of a refusal.
    if (details.retryAfterMs !== undefined) Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "Reject";
    this.code = code;
    this.details = details;
  }

  /** The refusal as an ack or a `connect_error` carries it. */
  toJSON(): { ok: false; code: Code; message: string } & RejectDetails {
    return { ok: false, code: this.code, message: this.message, ...this.details };
  }
}

/** Any thrown value as a `Reject`: what is not one already becomes `internal`, and its text stays on this side. */
export function asReject(error: unknown): Reject {
  return error instanceof Reject ? error : new Reject("internal");
}
