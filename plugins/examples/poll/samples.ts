/** Good messages of each type: `web-chat check` tries them, and what it makes of them by spoiling them. */
export default {
  poll: [
    { question: "Lunch?", answers: ["soup", "rice"] },
    { question: "", answers: ["面", "饭", "汤"] },
  ],
  "poll.vote": [{ choice: 0 }, { choice: null }],
};
