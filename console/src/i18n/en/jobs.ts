export const jobs = {
  empty: "Nothing here yet.",
};
