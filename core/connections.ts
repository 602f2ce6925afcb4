/** The TCP connections of this machine, as Linux lists them; other systems have no such list. */
import { readFileSync } from "node:fs";
import { endianness } from "node:os";

/** `remote` is unique among the connections of a port; `address` is its host. */
export type Connection = { port: number; remote: string; address: string; isOpen: boolean };

const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const ESTABLISHED = "01";
const SYN_RECEIVED = "03";
const LISTENING = "0A";

/** The TCP connections in Linux' tables; none on other systems. */
export function readConnections(tables: readonly string[] = TABLES): Connection[] {
  return tables.flatMap(path => {
    try {
      return parseConnections(readFileSync(path, "latin1"));
    } catch {
      return [];
    }
  });
}

/** See proc_net_tcp in the kernel's documentation: a line a connection, addresses as words in the machine's byte order. */
export function parseConnections(table: string, isLittleEndian = endianness() === "LE"): Connection[] {
  const connections: Connection[] = [];
  for (const line of table.split("\n")) {
    const match = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) (([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}) ([0-9A-F]{2}) /.exec(line);
    const [, port = "", remote = "", words = "", state = ""] = match ?? [];
    if (!match || state === LISTENING) continue;
    const isOpen = state === ESTABLISHED || state === SYN_RECEIVED;
    connections.push({ port: Number.parseInt(port, 16), remote, address: addressOf(words, isLittleEndian), isOpen });
  }
  return connections;
}

function addressOf(words: string, isLittleEndian: boolean): string {
  const bytes = Buffer.from(words, "hex");
  if (isLittleEndian) bytes.swap32();
  if (bytes.length === 4) return bytes.join(".");
  if (/^0{20}f{4}/i.test(bytes.toString("hex"))) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  // The one way to write it that all parts of the program have.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
