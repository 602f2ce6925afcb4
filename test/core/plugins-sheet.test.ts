/** A plugin's style sheet holds for what the plugin draws, and for nothing else on the page. */
import assert from "node:assert/strict";
import test from "node:test";
import { scopeSheet } from "../../core/plugins/compile/sheet.ts";

const OWN = ':where([data-plugin="poll"])';

const SHEETS: [what: string, css: string, scoped: string][] = [
  ["a class", ".a{color:red}", `${OWN} .a{color:red}`],
  ["a list", ".a,.b:is(.c,.d){x:y}", `${OWN} .a,${OWN} .b:is(.c,.d){x:y}`],
  ["a comma in a text", '[title="a,b"]{x:y}', `${OWN} [title="a,b"]{x:y}`],
  ["everything", "*{x:y}", `${OWN} *{x:y}`],
  ["the page", ":root{--x:1}html{x:y}BODY{x:y}", `${OWN}{--x:1}${OWN}{x:y}${OWN}{x:y}`],
  ["within the page", "html .a{x:y}body>.b{x:y}html body .c{x:y}", `${OWN} .a{x:y}${OWN} .b{x:y}${OWN} .c{x:y}`],
  ["the page in a state", ":root.dark .a{x:y}", `${OWN}.dark .a{x:y}`],
  ["beside the page", "body + div{x:y}body~.a{x:y}", `${OWN} body + div{x:y}${OWN} body~.a{x:y}`],
  ["a tag whose name begins like the page's", "body-part{x:y}", `${OWN} body-part{x:y}`],
  ["within a condition", "@media (width>9px){.a{x:y}}", `@media (width>9px){${OWN} .a{x:y}}`],
  [
    "frames",
    "@keyframes spin{from{x:y}50%{x:z}}.a{animation:spin 1s,spin-out 2s}.b{animation-name:spin}",
    `@keyframes poll-spin{from{x:y}50%{x:z}}${OWN} .a{animation:poll-spin 1s,spin-out 2s}${OWN} .b{animation-name:poll-spin}`,
  ],
  ["nothing", "", ""],
];

for (const [what, css, scoped] of SHEETS)
  test(`${what} is bounded to the plugin`, () => assert.equal(scopeSheet("poll", css), scoped));
