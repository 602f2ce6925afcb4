/** Socket.IO with the adapter that passes messages between servers over a Redis stream. */
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { serveSocketIo } from "./socketio-server.ts";

const client = createClient({ url: process.env.REDIS_URL as string });
await client.connect();
serveSocketIo({ adapter: createAdapter(client) });
