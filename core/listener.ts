/** The port that browsers come to: HTTP, or HTTPS beside what plain HTTP is answered with. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Config } from "./config.ts";
import { Reject } from "./errors.ts";
import type { Certificates } from "./tls/certificates.ts";

/** A connection that says nothing is not worth keeping; nor is one that never comes to the end of its first words. */
const FIRST_WORDS_WITHIN_MS = 10_000;
/** A file over a slow line; what stops on the way is noticed sooner. */
const REQUEST_WITHIN_MS = 600_000;
const CLOSE_WITHIN_MS = 1_000;
/** The first byte of a TLS handshake record (RFC 8446, 5.1); no HTTP request begins with it. */
const TLS_HANDSHAKE = 0x16;

export type ListenerParts = {
  answer: RequestListener;
  /** Answers what arrives unencrypted where there are certificates. */
  answerPlain: RequestListener;
  certificates: Certificates | undefined;
};

export class Listener {
  /** Emits the requests and upgrades of browsers. */
  readonly http: Server;
  readonly #sockets = new Set<Socket>();

  constructor({ answer, answerPlain, certificates }: ListenerParts) {
    if (certificates) {
      const options = { ...certificates.pair, handshakeTimeout: FIRST_WORDS_WITHIN_MS, noDelay: true };
      const secure = createSecureServer(options, answer);
      certificates.renewed = pair => secure.setSecureContext(pair);
      divide(secure, createServer(answerPlain));
      this.http = secure;
    } else this.http = createServer(answer);
    this.http.headersTimeout = FIRST_WORDS_WITHIN_MS;
    this.http.requestTimeout = REQUEST_WITHIN_MS;
    // Whoever brings a file, and asks first, is told to go on when it is known that the file will be taken.
    this.http.on("checkContinue", (request, response) => {
      if (request.method !== "PUT") response.writeContinue();
      this.http.emit("request", request, response);
    });
    this.http.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Returns the port; throws `Reject` where it cannot be had. */
  async listen({ port, host }: Pick<Config, "port" | "host">): Promise<number> {
    const listening = once(this.http, "listening");
    if (host === "") this.http.listen(port);
    else this.http.listen(port, host);
    try {
      await listening;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE") throw new Reject("port-in-use", `port ${port} is in use: set PORT to a free one`);
      if (code === "EACCES")
        throw new Reject("config-invalid", `port ${port} needs rights that this user does not have`);
      throw new Reject("config-invalid", `cannot listen on ${host || "all addresses"}, port ${port}: ${message}`);
    }
    return (this.http.address() as AddressInfo).port;
  }

  /** Takes no more connections; those that are still in use after `CLOSE_WITHIN_MS` are cut. */
  async close(): Promise<void> {
    const closed = new Promise(resolve => this.http.close(resolve));
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_WITHIN_MS);
    await closed;
    clearTimeout(cut);
  }
}

/** Gives each connection of `secure` that does not begin with a TLS handshake to `plain`, which listens nowhere itself. */
function divide(secure: Server, plain: Server): void {
  const takers = secure.listeners("connection") as ((socket: Socket) => void)[];
  secure.removeAllListeners("connection");
  secure.on("connection", (socket: Socket) => {
    // Whatever plain HTTP is for here is short, and its server keeps no time of connections that it did not accept.
    const tooLong = setTimeout(() => socket.destroy(), FIRST_WORDS_WITHIN_MS);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => clearTimeout(tooLong));
    socket.once("readable", () => {
      const first: Buffer | null = socket.read(1);
      if (first === null) return socket.destroy();
      socket.unshift(first);
      if (first[0] !== TLS_HANDSHAKE) return plain.emit("connection", socket);
      clearTimeout(tooLong);
      for (const take of takers) take.call(secure, socket);
    });
  });
}
