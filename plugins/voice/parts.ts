/** What the page loads of this plugin when its first row, or the composer, is shown. */
import "./voice.css";
import { Composer } from "./composer.tsx";
import { Dock } from "./dock.tsx";
import { Row } from "./row.tsx";
import { en } from "./strings.ts";
import { zh } from "./zh.ts";

export const strings = { en, zh };
export { Composer, Dock, Row };
