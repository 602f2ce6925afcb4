import { defineServer } from "../../core/plugin.ts";
import text from "./message.ts";

export default defineServer(text, { receive: body => body });
