/** What each command takes and what its help teaches. Loads nothing: `runcast --help` must be instant. */
import type { Command } from "./command-line.ts";
import { auditCommand, doctorCommand, migrateCommand, vapidCommand } from "./operator-commands.ts";
import { config, store } from "./shared-flags.ts";

const defaultUrl = "http://127.0.0.1:7420";
export const serveCommand: Command = {
  name: "serve",
  summary: "Run the server: log, WebSocket, SSE, HTTP and the console page",
  usage: ["[--demo] [--host <host>] [--port <port>] [--store <url>] [--config <file>]"],
  about: [
    "Without RUNCAST_JWT_SECRET or RUNCAST_JWKS_URL it runs in dev mode: loopback only, a secret of its own beside",
    "the store, and a demo token and API key on stdout. Secrets have no flag, because others can read it:",
    "RUNCAST_JWT_SECRET (at least 32 bytes), RUNCAST_API_KEYS (name:key[:tenant,…][:publish+admin], separated by ;) and",
    "RUNCAST_AUDIT_KEY (at least 32 bytes; seals the audit log). Nor have the settings of notifications: see the manual.",
    "SIGTERM or SIGINT drains: nothing new is taken, what was accepted becomes durable, clients are told to come back.",
    "With --workers, SIGHUP or SIGUSR2 replaces the workers one after another.",
  ],
  maxPositionals: 0,
  flags: {
    demo: { about: "add the demo agent: it answers what the console's users ask" },
    host: { value: "<host>", about: "address to bind", env: "RUNCAST_HOST", default: "127.0.0.1" },
    port: { value: "<port>", about: "port to bind; 0 takes any free one", env: "RUNCAST_PORT", default: "7420" },
    store,
    workers: {
      value: "<n>",
      about: "processes that share the port, on a store that they share; 0 or auto: one for each core",
      env: "RUNCAST_WORKERS",
      default: "1",
    },
    spool: {
      value: "<url>",
      about: "where events wait while the log takes none: file:<directory>, redis://…, or none",
      env: "RUNCAST_SPOOL",
      default: "file:./runcast-spool",
    },
    "jwks-url": { value: "<url>", about: "public keys of the tokens' issuer", env: "RUNCAST_JWKS_URL" },
    "jwt-issuer": { value: "<iss>", about: "the `iss` that tokens must have", env: "RUNCAST_JWT_ISSUER" },
    "jwt-audience": { value: "<aud>", about: "the `aud` that tokens must have", env: "RUNCAST_JWT_AUDIENCE" },
    "allowed-origins": {
      value: "<origins>",
      about: "pages that may connect besides our own, separated by commas",
      env: "RUNCAST_ALLOWED_ORIGINS",
    },
    commit: {
      value: "<how>",
      about: "fsync: an accepted event survives a power cut · os: a killed process only",
      env: "RUNCAST_COMMIT",
      default: "fsync",
    },
    "heartbeat-ms": {
      value: "<ms>",
      about: "between two pings; a connection that leaves two unanswered is closed",
      env: "RUNCAST_HEARTBEAT_MS",
      default: "15000",
    },
    "lease-ms": {
      value: "<ms>",
      about: "a runner silent for so long is stalled",
      env: "RUNCAST_LEASE_MS",
      default: "30000",
    },
    "grace-ms": {
      value: "<ms>",
      about: "a run stalled for so long is interrupted",
      env: "RUNCAST_GRACE_MS",
      default: "30000",
    },
    "retention-ms": {
      value: "<ms>",
      about: "how long events are kept; ended runs go whole, living ones never",
      env: "RUNCAST_RETENTION_MS",
      default: "604800000",
    },
    "compact-after-ms": {
      value: "<ms>",
      about: "from a run's end to the compaction of its deltas",
      env: "RUNCAST_COMPACT_AFTER_MS",
      default: "3600000",
    },
    tiers: {
      value: "<file|json>",
      about: "tiers and limits: a JSON file (./runcast.tiers.json, if it is there), or the JSON itself",
      env: "RUNCAST_TIERS",
    },
    "trusted-proxies": {
      value: "<addresses>",
      about: "proxies whose X-Forwarded-For is believed: addresses or blocks, separated by commas",
      env: "RUNCAST_TRUSTED_PROXIES",
    },
    "log-level": { value: "<level>", about: "debug, info, warn or error", env: "RUNCAST_LOG_LEVEL", default: "info" },
    critical: {
      value: "<types>",
      about: "what somebody is told of when nobody looks, separated by commas; none: of nothing",
      env: "RUNCAST_CRITICAL",
      default: "agent_completed,agent_failed,agent_cancelled,agent_interrupted,agent_suspended,notice",
    },
    "ack-wait-ms": {
      value: "<ms>",
      about: "how long a critical event waits for an ack before somebody is called",
      env: "RUNCAST_ACK_WAIT_MS",
      default: "30000",
    },
    "public-url": { value: "<url>", about: "where people look: the link in notices", env: "RUNCAST_PUBLIC_URL" },
    "confirm-auth": {
      value: "<0|1>",
      about: "close clients that do not confirm their welcome",
      env: "RUNCAST_CONFIRM_AUTH",
      default: "0",
    },
    audit: {
      value: "<url>",
      about: "file:<file>, or off: who was let in and who was not; unset: beside a SQLite store",
      env: "RUNCAST_AUDIT",
    },
    breakers: {
      value: "<list>",
      about: "name:failures/openMs/probes, separated by ; as in log:5/30000/2",
      env: "RUNCAST_BREAKERS",
    },
    config,
  },
  examples: [
    { does: "try it out", line: "runcast serve --demo" },
    { does: "any free port, nothing kept", line: "runcast serve --port 0 --store memory:" },
    {
      does: "for real users, reachable from outside",
      line: "RUNCAST_JWT_SECRET=… RUNCAST_API_KEYS=agents:… runcast serve --host 0.0.0.0",
    },
  ],
  exitCodes: [
    { code: "0", means: "stopped by a signal, drained" },
    { code: "1", means: "could not start or stop: the port is taken, a setting cannot be used, …" },
    { code: "2", means: "the command line is wrong" },
    { code: "130, 143", means: "a second SIGINT or SIGTERM: ended at once, without draining" },
  ],
};

export const tokenCommand: Command = {
  name: "token",
  summary: "Print a JWT for a user, signed with the configured or the dev secret",
  usage: ["--user <id> [--tenant <id>] [--ttl <duration>]"],
  about: [
    "Prints the token and nothing else on stdout. In dev mode it signs with the secret beside the store, so it works",
    "while the server runs and before it ever ran. With RUNCAST_JWKS_URL the tokens are made elsewhere: it refuses.",
  ],
  maxPositionals: 0,
  flags: {
    user: { value: "<id>", about: "whom the token is for (required)" },
    tenant: { value: "<id>", about: "the user's tenant", default: "default" },
    ttl: { value: "<duration>", about: "how long it holds: 90s, 15m, 1h, 7d", default: "1h" },
    store,
    config,
  },
  examples: [
    { does: "a token for alice", line: "runcast token --user alice" },
    {
      does: "ask for her runs",
      line: `curl -H "authorization: Bearer $(runcast token --user alice)" ${defaultUrl}/v1/runs`,
    },
  ],
  exitCodes: [
    { code: "0", means: "the token is on stdout" },
    { code: "1", means: "there is no secret to sign with" },
    { code: "2", means: "the command line is wrong" },
  ],
};

export const tailCommand: Command = {
  name: "tail",
  summary: "Follow a run, or everything of a user, live",
  usage: ["<runId> [--user <id>] [options]", "--user <id> [--tenant <id>] [options]"],
  about: [
    "One line for each event: time, run, #seq, @offset, type, what it says. Streamed text runs on as it comes. A lost",
    "connection is resumed where it ended: no event is missed or shown twice.",
    "Who you are: --token, or --key (an API key with the right admin), or neither in dev mode, where the secret beside",
    "the store is used.",
  ],
  maxPositionals: 1,
  flags: {
    user: { value: "<id>", about: "whose stream; with --token it is the token's user" },
    tenant: { value: "<id>", about: "the user's tenant", default: "default" },
    url: { value: "<url>", about: "the server", env: "RUNCAST_URL", default: defaultUrl },
    token: { value: "<jwt>", about: "a user's token", env: "RUNCAST_TOKEN" },
    key: { value: "<key>", about: "an API key with the right admin", env: "RUNCAST_API_KEY" },
    from: {
      value: "<where>",
      about: "start: all that is kept · active: the runs alive now, then what comes · now: only what comes",
      default: "start for a run, active for a user",
      choices: ["start", "active", "now"],
    },
    json: { about: "one JSON object a line, whole and unmerged, for a pipe" },
    store,
    config,
  },
  examples: [
    { does: "watch all of alice's runs (dev mode)", line: "runcast tail --user alice" },
    { does: "wait for one run, then act on how it ended", line: "runcast tail run-42 && echo completed" },
    {
      does: "count tool calls by name",
      line: "runcast tail run-42 --json | jq -r 'select(.type==\"tool_executing\").data.toolName' | sort | uniq -c",
    },
  ],
  exitCodes: [
    { code: "0", means: "the run completed (without a run id: stopped by SIGTERM)" },
    { code: "1", means: "no such run, not allowed, or the server cannot be reached" },
    { code: "2", means: "the command line is wrong" },
    { code: "3", means: "the run failed, was cancelled or was interrupted" },
    { code: "130", means: "stopped by SIGINT" },
  ],
};

export const commands: readonly Command[] = [
  serveCommand,
  tokenCommand,
  tailCommand,
  auditCommand,
  vapidCommand,
  migrateCommand,
  doctorCommand,
];
