/** Plain Socket.IO. */
import { serveSocketIo } from "./socketio-server.ts";

serveSocketIo();
