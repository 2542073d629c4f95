/** Flags that several commands take, with one meaning. */
export const store = {
  value: "<url>",
  about: "sqlite:<file>, or memory:",
  env: "RUNCAST_STORE",
  default: "sqlite:./runcast.db",
} as const;
export const config = {
  value: "<file>",
  about: "a JSON file of settings; environment and flags win over it",
  default: "./runcast.config.json, if it is there",
} as const;
