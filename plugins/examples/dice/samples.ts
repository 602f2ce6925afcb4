/** Good messages, for `web-chat check`: the server completes what people send, so that what is kept is another thing. */
export default {
  dice: {
    inputs: [{ dice: "1d6" }, { dice: "20d100" }],
    bodies: [
      { dice: "2d6", rolls: [1, 6] },
      { dice: "1d100", rolls: [100] },
    ],
  },
};
