/** Good messages of each type: `web-chat check` tries them, and what it makes of them by spoiling them. */
export default {
  template: [{ text: "Shall we have lunch at noon?" }, { text: "好吗？" }],
  "template.answer": [{ yes: true }, { yes: false }],
};
