export const playground = {
  empty: "Nothing here yet.",
};
