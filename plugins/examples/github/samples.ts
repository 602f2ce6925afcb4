/** Good messages, for `web-chat check`. */
const from = { repository: "ana/chat", by: "ana" };

export default {
  github: [
    { ...from, did: "push", what: "main", title: "Mend it (+2)", url: "https://github.com/ana/chat/compare/a...b" },
    { ...from, did: "release published", what: "v1.0", title: "", url: "https://github.com/ana/chat/releases/v1.0" },
  ],
};
