/** The commands of who runs a server, beside `serve`: what each takes and what its help teaches. Like `commands`, loads nothing. */
import type { Command } from "./command-line.ts";
import { config, store } from "./shared-flags.ts";

export const auditKeyVariable = "RUNCAST_AUDIT_KEY";

export const auditCommand: Command = {
  name: "audit",
  summary: "Verify the audit log, or show its last entries",
  usage: ["verify [--file <file>] [--key-env <variable>] [--after <head>]", "tail [--file <file>] [--lines <count>]"],
  about: [
    "verify walks the chain of hashes from the first entry to the last and prints how many there are and the head, or the",
    "first line that is wrong and how: changed, removed, reordered, cut (at the end), torn (by a crash), no head, no key.",
    "It reads the files only, and may be run beside the server. Keep a printed head elsewhere: a log that was put back to",
    "an older state together with its head is whole in itself, and has another one.",
  ],
  maxPositionals: 1,
  flags: {
    file: { value: "<file>", about: "the audit log", default: "that of the configured server" },
    "key-env": { value: "<variable>", about: "the variable with the key that seals it", default: auditKeyVariable },
    after: { value: "<n>:<hash>", about: "verify: the head at which the archived files before these ended" },
    lines: { value: "<count>", about: "tail: how many entries, at most 1000", default: "20" },
    store,
    config,
  },
  examples: [
    { does: "verify, and keep the head elsewhere", line: "runcast audit verify | ssh archive 'cat >> heads'" },
    { does: "who was not let in lately", line: "runcast audit tail --lines 500 | grep auth_failed" },
  ],
  exitCodes: [
    { code: "0", means: "whole (tail: shown)" },
    { code: "1", means: "broken, or there is no audit log" },
    { code: "2", means: "the command line is wrong" },
  ],
};

export const vapidCommand: Command = {
  name: "vapid",
  summary: "Print a new key pair for Web Push",
  usage: [""],
  about: [
    "Prints two settings, for an environment file: the server signs with the private key, pages subscribe with the public",
    "one. Make a pair once: with another one, every browser must subscribe anew.",
  ],
  maxPositionals: 0,
  flags: {},
  examples: [{ does: "keep a pair", line: "runcast vapid >> .env" }],
  exitCodes: [
    { code: "0", means: "the pair is on stdout" },
    { code: "2", means: "the command line is wrong" },
  ],
};

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Move a store into another, with offsets and epoch kept",
  usage: ["--from <url> --to <url> [--dry-run]"],
  about: [
    "Copies every stream with its events at their offsets, runs, keys, approvals, cursors, the outbox, dead letters and",
    "documents, then reads both stores again and compares them. Clients resume as if nothing had happened. Stop the server",
    "first: a SQLite file that a server has open is refused. The target must be empty. Whatever stops it, run it again: it",
    "goes on where it was. Progress is on stderr.",
  ],
  maxPositionals: 0,
  flags: {
    from: { value: "<url>", about: "the store that is: sqlite:<file>, postgres://… or redis://… (required)" },
    to: { value: "<url>", about: "the store that is to be: sqlite:<file>, postgres://… or redis://… (required)" },
    spool: {
      value: "<url>",
      about: "of a SQLite source: where its server's spool is, to see that nothing waits there",
      env: "RUNCAST_SPOOL",
      default: "file:./runcast-spool",
    },
    config,
    "dry-run": { about: "say what would be copied, and which schema the target would get; change nothing" },
  },
  examples: [
    {
      does: "from the file to PostgreSQL",
      line: "runcast migrate --from sqlite:./runcast.db --to postgres://runcast@db/runcast",
    },
  ],
  exitCodes: [
    { code: "0", means: "copied and verified (with --dry-run: said)" },
    { code: "1", means: "a store cannot be used or has failed, events wait in the source's spool, or the two differ" },
    { code: "2", means: "the command line is wrong" },
  ],
};

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Examine what serve would use, and say what to do",
  usage: ["[--store <url>] [--json]"],
  about: [
    "Reads the settings as serve would, and looks at the store: whether it answers, whether it may be used, what of what it",
    "acknowledges it can lose. One line for each thing: ok, warning or error, and what to do. It changes nothing, and may be",
    "run beside the server.",
  ],
  maxPositionals: 0,
  flags: {
    json: { about: "one JSON object: {ok, findings: [{level, what, says, advice}]}" },
    store,
    config,
  },
  examples: [
    { does: "before the first start on another store", line: "runcast doctor --store postgres://runcast@db/runcast" },
    { does: "in a pipeline", line: "runcast doctor --json | jq -e .ok" },
  ],
  exitCodes: [
    { code: "0", means: "no error was found" },
    { code: "1", means: "an error was found" },
    { code: "2", means: "the command line is wrong" },
  ],
};
