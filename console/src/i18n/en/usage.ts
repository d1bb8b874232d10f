export const usage = {
  empty: "Nothing here yet.",
};
