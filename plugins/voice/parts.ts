/** What the page loads of this plugin when its first row, or the composer, is shown. */
import "./voice.css";
import { Composer } from "./composer.tsx";
import { Dock } from "./dock.tsx";
import { Row } from "./row.tsx";
import { en } from "./strings.ts";
import { finisher } from "./tape.ts";
import { zh } from "./zh.ts";

export const strings = { en, zh };
export { Composer, Dock, Row };

// It is needed last when the node that it comes from may be gone: by then it is here, as what keeps files is.
const whenIdle = typeof requestIdleCallback === "undefined" ? setTimeout : requestIdleCallback;
whenIdle(() => finisher().catch(() => {}));
