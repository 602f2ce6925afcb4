/** Socket.IO with the adapter that passes messages between servers over Redis' publish and subscribe. */
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { serveSocketIo } from "./socketio-server.ts";

const publisher = createClient({ url: process.env.REDIS_URL as string });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
serveSocketIo({ adapter: createAdapter(publisher, subscriber) });
