// Loaded before a program: writes down each name that it looks up, and lets it find none. What is
// called by an address, as the local cloud is, goes on as ever.
import dns from "node:dns";
import { appendFileSync } from "node:fs";

dns.lookup = (name, options, callback) => {
  appendFileSync("hosts.txt", `${name}\n`);
  (callback ?? options)(new Error(`the test lets ${name} not be found`));
};
