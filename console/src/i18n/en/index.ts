export { gallery } from "./gallery";
export { jobs } from "./jobs";
export { parts } from "./parts";
export { playground } from "./playground";
export { shell } from "./shell";
export { uploads } from "./uploads";
export { usage } from "./usage";
