import { defineServer } from "../../core/plugin.ts";
import typing from "./message.ts";

export default defineServer(typing, { receive: body => body });
