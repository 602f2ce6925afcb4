/** A plugin's style sheet, bounded to what that plugin draws. */
import postcss, { type AtRule, type Rule } from "postcss";

/** What stands for the whole page becomes the plugin's part of it; what stands beside that is none of it. */
const PAGE = /^((:root|html|body)(?![\w-])\s*>?\s*)+(?!\s*[+~])/i;

/** Rules hold below `[data-plugin="<name>"]` only, and weigh what they weighed; keyframes get names of their own. */
export function scopeSheet(name: string, css: string): string {
  const sheet = postcss.parse(css);
  const scope = `:where([data-plugin="${name}"])`;
  const frames: string[] = [];
  sheet.walkAtRules(/keyframes$/i, rule => {
    const own = unquoted(rule.params);
    frames.push(own);
    rule.params = `${name}-${own}`;
  });
  sheet.walkRules(rule => {
    if (!isFrame(rule)) rule.selectors = rule.selectors.map(selector => scoped(scope, selector));
  });
  if (frames.length > 0) renameFrames(sheet, name, frames);
  return sheet.toString();
}

function isFrame({ parent }: Rule): boolean {
  return parent?.type === "atrule" && /keyframes$/i.test((parent as AtRule).name);
}

function scoped(scope: string, selector: string): string {
  const [page = ""] = PAGE.exec(selector) ?? [];
  if (page === "") return `${scope} ${selector}`;
  const rest = selector.slice(page.length);
  // `html .a` is about what lies within, `html.a` about the page itself.
  return /[\s>]$/.test(page) && rest !== "" ? `${scope} ${rest}` : scope + rest;
}

function renameFrames(sheet: postcss.Root, name: string, frames: readonly string[]): void {
  const known = new RegExp(
    `(?<![\\w-])(${frames.map(frame => frame.replace(/\W/g, "\\$&")).join("|")})(?![\\w-])`,
    "g",
  );
  sheet.walkDecls(/^(-webkit-)?animation(-name)?$/i, declaration => {
    declaration.value = declaration.value.replace(known, frame => `${name}-${frame}`);
  });
}

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, "$2");
}
