/** Long polling: the transport where a proxy breaks WebSocket. */
import { XHR } from "socket.io-client";

export const polling = XHR;
