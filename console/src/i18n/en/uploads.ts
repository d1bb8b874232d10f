export const uploads = {
  empty: "Nothing here yet.",
};
