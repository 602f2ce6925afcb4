/** HTTP requests that can be told whom to trust and what to claim, which fetch cannot. */
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { connect, type PeerCertificate } from "node:tls";
import { cleanUp } from "./cleanup.ts";

export type Requested = { status: number; headers: IncomingHttpHeaders; body: string };
export type RequestOptions = {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** PEM of the authority that is trusted. */
  ca?: string;
};

/** One request on a connection of its own; redirects are answers like others. */
export async function request(
  url: string,
  { method = "GET", headers, body, ca }: RequestOptions = {},
): Promise<Requested> {
  const options = { method, headers, ca, agent: false as const };
  const sent = url.startsWith("https:") ? httpsRequest(url, options) : httpRequest(url, options);
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** What is answered to these very bytes. */
export async function raw(port: number, text: string): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.end(text);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** A connection that is open and says nothing; what it is told goes unread until somebody listens. */
export async function silent(t: TestContext, port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  cleanUp(t, () => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** The certificate that a port presents, whoever signed it. */
export async function presented(port: number): Promise<PeerCertificate> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}
