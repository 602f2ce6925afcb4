/** What a client half needs to be loaded that only a browser has. */
import { placeAs, placeOf } from "../plugins/sources.ts";
import { Unloadable } from "../plugins/unloadable.ts";
import type { Finding } from "./findings.ts";

/** Globals of browsers that Node has not. */
const GLOBALS = new Set(
  (
    "window document location history screen self parent top frames matchMedia getComputedStyle getSelection " +
    "requestAnimationFrame cancelAnimationFrame requestIdleCallback cancelIdleCallback localStorage sessionStorage " +
    "indexedDB caches alert confirm prompt open close focus print scrollTo scrollBy innerWidth innerHeight outerWidth " +
    "outerHeight devicePixelRatio visualViewport scrollX scrollY addEventListener removeEventListener dispatchEvent " +
    "customElements speechSynthesis createImageBitmap Element Document DocumentFragment Node NodeFilter NodeList Text " +
    "Range Selection ShadowRoot Image Audio Option Worker SharedWorker XMLHttpRequest FileReader FileList DataTransfer " +
    "Notification Path2D OffscreenCanvas ImageData ImageBitmap EventSource Animation KeyframeEffect Touch Clipboard " +
    "ClipboardItem Storage Window Screen Location History XMLSerializer XPathResult MutationObserver ResizeObserver " +
    "IntersectionObserver CSS CSSStyleSheet UIEvent MouseEvent PointerEvent KeyboardEvent InputEvent TouchEvent " +
    "FocusEvent WheelEvent DragEvent ClipboardEvent SubmitEvent StorageEvent PopStateEvent"
  ).split(" "),
);
/** Families of them. */
const FAMILY = /^(HTML|SVG|CSS|DOM|IDB|RTC|WebGL|GPU|Media|Audio|Speech)[A-Z]\w*$/;

/** A note where a client half cannot be loaded as there is no browser here; undefined where it is something else. */
export function noteOfBrowser(error: unknown, file: string): Finding | undefined {
  const thrown = error instanceof Unloadable ? error.cause : error;
  if (!(thrown instanceof ReferenceError)) return undefined;
  const [, name = ""] = /^(\w+) is not defined$/.exec(thrown.message) ?? [];
  if (!GLOBALS.has(name) && !FAMILY.test(name)) return undefined;
  return {
    ...placeAs(placeOf(thrown), { file }),
    what: `its client half is not looked into further: it needs a browser, for ${name}`,
    mend: "that is no fault: web-chat dev shows it in one",
  };
}
