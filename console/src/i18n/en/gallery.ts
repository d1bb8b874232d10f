export const gallery = {
  empty: "Nothing here yet.",
};
