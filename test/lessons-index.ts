/**
 * Fifty-one failures of a real system that brought agent events over WebSocket, and what makes each impossible here:
 * tests that fail if it comes back, or a rule of the compiler or the linter that refuses the code it would take.
 * `lessons.test` sees to it that what is named here exists.
 */

/** A test by its file and title. */
export interface ProvingTest {
  readonly file: string;
  readonly title: string;
}

/** A rule by the case of `test/structure` that shows it biting, on the real compiler or linter. */
export interface ProvingRule {
  readonly rule: string;
}

export interface Lesson {
  readonly number: number;
  /** What happened. */
  readonly failure: string;
  /** The law it broke, or the trait that makes it unwritable. */
  readonly law: string;
  readonly proofs: readonly (ProvingTest | ProvingRule)[];
}

const test =
  (file: string) =>
  (title: string): ProvingTest => ({ file, title });
const rule = (says: string): ProvingRule => ({ rule: says });

const publish = test("test/runtime/publish.test.ts");
const mainPath = test("test/e2e/main-path.test.ts");
const crash = test("test/e2e/crash.test.ts");
const notices = test("test/runtime/notices.test.ts");
const connection = test("test/runtime/connection.test.ts");
const reads = test("test/runtime/reads.test.ts");
const window = test("test/runtime/window.test.ts");
const lease = test("test/runtime/lease.test.ts");
const client = test("test/client/client.test.ts");
const clientMachine = test("test/machines/client.test.ts");
const reconnect = test("test/client/reconnect.test.ts");
const socket = test("test/gateway/websocket.test.ts");
const codec = test("test/protocol/codec.test.ts");
const leaks = test("test/runtime/leaks.test.ts");
const refusals = test("test/e2e/black-box/refusals.test.ts");
const onSocket = test("test/e2e/black-box/socket.test.ts");
const ledger = test("test/runtime/log-failure.test.ts")("balances through failures, acks, resumes and restarts (L10)");
const onceAndAll = test("property-tests/reading.test.ts")(
  "brings every accepted event to every device exactly once, wherever it was cut",
);
const onlySupervisorWrites = [
  rule("nobody can construct a broadcast authority"),
  rule("a transport writes nothing without an authority"),
  rule("only the supervisor imports the authority's class"),
  rule("nothing is cast into an authority"),
] as const;
const independent = test("property-tests/l8-isolation.test.ts")(
  "shows nobody what others do: the same trace whatever they do",
);
const ownerIsTheKey = reads("keeps streams apart whose tenant and user join to one text");
const toNobodyElse = socket("brings a run to all tabs of its user, in order, and to nobody else");

/** Event lost, nobody told. */
const lost: readonly Omit<Lesson, "number">[] = [
  {
    failure: "A manager was optional: without one, every event was dropped and nobody said so",
    law: "L10 L12",
    proofs: [...onlySupervisorWrites, ledger],
  },
  {
    failure: "The tool dispatcher was not wired to the notifications: no tool event was ever sent",
    law: "L1",
    proofs: [
      test("test/runners/ai-sdk.test.ts")("has written tool_executing before the tool has any effect"),
      test("test/make-runcast.test.ts")("runs a tool inside a run and shows each step in the user's stream"),
    ],
  },
  {
    failure: "The HTTP path and the socket path were built apart and could do different things",
    law: "one path",
    proofs: [mainPath("shows one and the same event on the socket, in SSE and in both lists")],
  },
  {
    failure: "A clean-up removed the line that registered an accepted socket: no send found a connection",
    law: "L12",
    proofs: [toNobodyElse, test("test/e2e/embed.test.ts")("carries an agent of the same process to its user's tab")],
  },
  {
    failure: "Several registries knew who was connected, and the one that was asked did not hold the socket",
    law: "L12",
    proofs: [...onlySupervisorWrites, leaks("are empty again after ${cycles} connections, however each ended")],
  },
  {
    failure: "A run id was used as the address of a user",
    law: "branded ids, key = owner",
    proofs: [rule("a run id is no address")],
  },
  {
    failure: "A thread id was used as an address: events for nobody, marked as confirmed",
    law: "branded ids, counted receipts",
    proofs: [rule("a run id is no address"), notices("counts nobody when nobody is there, and is kept for who comes")],
  },
  {
    failure: "A connection had no thread when it came, so what was addressed to a thread never matched",
    law: "stream per user",
    proofs: [
      test("test/runtime/main-path.test.ts")("brings a run's events to its user, in order, one frame per commit"),
    ],
  },
  {
    failure: "A handler answered true although it had sent nothing",
    law: "counted receipts",
    proofs: [notices("counts a socket that took nothing as an error")],
  },
  {
    failure: "Success was taken from the absence of an exception that a lower layer had swallowed",
    law: "counted receipts",
    proofs: [
      notices("counts who was tried, who got it and who could not take it"),
      onSocket("counts a notice's receipts: sockets attempted, frames sent, devices that acknowledged"),
    ],
  },
  {
    failure: "An inverted condition: the message was acknowledged and never reached the agent",
    law: "golden path on the built server",
    proofs: [
      mainPath("brings the five core events from a publisher to every tab, in order and once"),
      test("test/e2e/browser.test.ts")("lets a person choose a user, ask, and watch the five steps to the answer"),
    ],
  },
  {
    failure: "A part was set to nothing to break an import cycle, and swallowed every message",
    law: "no import cycles",
    proofs: [rule("an import cycle is refused")],
  },
  {
    failure: "The client sent `content`, the server read `text`: an empty request, no error",
    law: "one schema for both sides",
    proofs: [
      rule("schemas stand in the protocol"),
      codec("names the known types when a type is not one of them"),
      codec("is refused, with the path and what would be right: %j"),
    ],
  },
  {
    failure: "The page had no handler for the answer and dropped it",
    law: "the fold is exhaustive",
    proofs: [
      rule("a fold that forgets a type of event is refused"),
      test("test/machines/run-view.test.ts")(
        "joins deltas by message and channel, and takes a whole message in their place",
      ),
    ],
  },
  {
    failure: "A date or an enum could not be made JSON: the send failed in mid-run",
    law: "data is JSON by type, and checked",
    proofs: [test("test/runtime/embedded-run.test.ts")("refuses what is no event before it reaches the machine")],
  },
  {
    failure: "A message that had failed for good was abandoned without a trace",
    law: "L10",
    proofs: [
      ledger,
      test("test/log/sqlite-file.test.ts")(
        "counts all events of a broken record as dead, also when only some of them were asked for",
      ),
    ],
  },
  {
    failure: "A batch was removed before it was sent",
    law: "L3 L6, group commit",
    proofs: [
      crash("loses nothing it acknowledged, doubles nothing, keeps the order, and every reader ends equal"),
      publish("writes nothing of a batch with an illegal event in the middle, and the run goes on as before"),
    ],
  },
  {
    failure: "A send without a time limit: a slow client blocked the others, or lost silently",
    law: "L11, heartbeat",
    proofs: [
      window("of one tab does not hold the other"),
      window("never makes a publisher wait"),
      connection("pings, and closes with 4408 when two go unanswered"),
    ],
  },
  {
    failure: "Events waited until everything was finished instead of being streamed",
    law: "the commit rings the bell at once",
    proofs: [
      onSocket("brings each commit as one frame, covers what a filter leaves out, and the same event to all tabs"),
    ],
  },
  {
    failure: "An agent that died without an exception left its user waiting for ever",
    law: "L16",
    proofs: [
      lease("that its runner lets go makes the run stalled, and after the grace period interrupted"),
      crash("ends a run whose runner died with it, once lease and grace are over"),
    ],
  },
  {
    failure: "Buffered events were dropped with their connection",
    law: "L6",
    proofs: [onceAndAll, socket("parks a tab that does not read, and loses nothing of it")],
  },
];

/** Event to the wrong user. */
const astray: readonly Omit<Lesson, "number">[] = [
  {
    failure: "An update of one agent was broadcast to all users",
    law: "L8 L12",
    proofs: [toNobodyElse, independent, ...onlySupervisorWrites],
  },
  {
    failure: "Users shared one manager, and the user was taken from the URL",
    law: "L8",
    proofs: [
      independent,
      onSocket("reaches no other user, tenant or name that only looks the same"),
      refusals("in the URL is refused, also beside a good one: %s"),
    ],
  },
  {
    failure: "One path was made safe; the one that carried nine tenths of the traffic kept the old way",
    law: "one path",
    proofs: [
      reads("answers for a foreign run as for a missing one"),
      test("test/e2e/black-box/foreign.test.ts")("is looked for in every route that there is"),
      onSocket("shows nobody anything by somebody else's cursor"),
    ],
  },
  {
    failure: "Connections shared one handler, whose socket the newest one overwrote",
    law: "an actor per connection",
    proofs: [
      test("test/client/socket.test.ts")("reports nothing of a socket that was left, whatever comes late (LESSON 25)"),
      toNobodyElse,
    ],
  },
  {
    failure: "The first handler to be registered answered for every user",
    law: "L8",
    proofs: [
      test("test/runtime/commands.test.ts")("that is malformed or about a foreign run leaves the connection open"),
      independent,
    ],
  },
  {
    failure: "Tests accepted that a send crossed users; connection ids had two shapes",
    law: "L8, one shape of ids",
    proofs: [
      test("test/runtime/event-id.test.ts")("are UUIDs of version 7 that sort in the order in which they were made"),
      test("test/runtime/main-path.test.ts")("shows nobody else's run"),
    ],
  },
  {
    failure: "A guard against contamination rewrote the author of an event",
    law: "refuse, do not rewrite",
    proofs: [
      test("test/runtime/contamination.test.ts")("refuses an event that names somebody else in %s"),
      test("test/runtime/contamination.test.ts")("lets the owner's name, provenance and plain words pass untouched"),
      test("property-tests/l8-contamination.test.ts")(
        "is found wherever it stands, named by its place, and taken out alone",
      ),
    ],
  },
  {
    failure: "An event without a run would have gone to everybody",
    law: "owner in the key",
    proofs: [ownerIsTheKey, codec("keeps a:b + c and a + b:c apart")],
  },
];

/** Handshakes and lifecycles. */
const races: readonly Omit<Lesson, "number">[] = [
  {
    failure: "Accepted was taken for ready: messages came before the handshake had ended",
    law: "connection machine",
    proofs: [connection("answers what came between hello and welcome once it is welcome")],
  },
  {
    failure: "A connection had two ids, and its machine was made twice",
    law: "one id, made once",
    proofs: [leaks("are empty again after ${cycles} connections, however each ended")],
  },
  {
    failure: "Several systems kept the state of one connection and raced",
    law: "one machine per thing",
    proofs: [test("test/machines/connection.test.ts")("is never left once it is closed, and keeps why")],
  },
  {
    failure: "Sleeps stood in for synchronisation",
    law: "no timers outside the clock",
    proofs: [rule("the runtime sets no timer of its own"), rule("a machine has no timer")],
  },
  {
    failure: "What a client sent before the server listened was lost, and the wrong frame taken for the answer",
    law: "nothing before welcome",
    proofs: [
      socket("is not lost when it comes in one packet with the upgrade"),
      client("is not live before the welcome, and drops a server that speaks too early (LESSON 34)"),
    ],
  },
  {
    failure: "Events were sent before the socket was registered",
    law: "log first, connect later",
    proofs: [mainPath("gives a tab that comes late the folded state and then the tail")],
  },
  {
    failure: "The client connected before it had a token",
    law: "the client asks its callback",
    proofs: [clientMachine("asks for a token before it opens a socket, and says hello before it is live (LESSON 36)")],
  },
  {
    failure: "Two effects of a page reconnected: tens of connections a second",
    law: "client machine, one socket",
    proofs: [
      clientMachine("has at most one socket: nothing opens another while one is there (LESSON 37)"),
      test("test/client/react.test.ts")("survive a double mount with one socket and one question for the token"),
      reconnect("waits a random part of a ceiling that doubles up to 10 s (full jitter)"),
    ],
  },
  {
    failure: "Liveness was read from the wrong attribute, and a good connection closed at once",
    law: "the machine's state is liveness",
    proofs: [test("test/machines/connection.test.ts")("is open everywhere but in closed")],
  },
  {
    failure: "Making and freeing used different keys: users were locked out by what was never freed",
    law: "one key, the stop frees all",
    proofs: [
      leaks("are empty again after ${cycles} runs"),
      socket("frees the runtime's connection when the line is cut"),
    ],
  },
  {
    failure: "A recovery deadlocked on its own lock",
    law: "no locks; actors",
    proofs: [window("goes on with the next bell, or the heartbeat, when nobody said that the socket has drained")],
  },
  {
    failure: "A handler for tests stood in for missing services in production",
    law: "no test code in the server",
    proofs: [test("test/structure/package-entries.test.ts")("is known here, whichever there is")],
  },
  {
    failure: "Parts were made in the wrong order: 503",
    law: "layers order themselves",
    proofs: [
      socket("answers 503 with Retry-After while it starts"),
      test("test/log/layer.test.ts")("gives the log for its scope and closes it at the end"),
    ],
  },
];

/** Who one is. */
const auth: readonly Omit<Lesson, "number">[] = [
  {
    failure: "A load balancer took the Authorization header away, and two clients wrote the token differently",
    law: "several ways, all tested",
    proofs: [
      socket("comes in the Authorization header"),
      socket("comes in a second subprotocol, which is never echoed"),
      socket("comes as a ticket, once"),
      client("says who it is in hello, in no address, and confirms the welcome (LESSON 43)"),
      test("test/e2e/faults/auth-doors.test.ts")(
        "keeps nobody out who has another way: subprotocol, hello, ticket on the socket and on the stream",
      ),
    ],
  },
  {
    failure: "Tokens lived for a minute, connections for five: runs broke in mid-conversation",
    law: "in-band auth",
    proofs: [
      reconnect("is renewed on the living connection, before it runs out (LESSON 44)"),
      onSocket("ends with the token, closes 4401, and lasts when a new token comes in time"),
    ],
  },
  {
    failure: "A staging server took itself for a test and let everybody in",
    law: "dev mode binds loopback only",
    proofs: [
      test("test/config.test.ts")("is off with a secret, on any host"),
      test("test/gateway/dev-routes.test.ts")("are unknown outside dev mode"),
    ],
  },
  {
    failure: "Authentication hung, and the socket stayed open and useless",
    law: "a deadline of 5 s",
    proofs: [connection("closes with 4408 also when hello came and its verification hangs")],
  },
  {
    failure: "A refused socket stayed open without an owner",
    law: "close on refusal",
    proofs: [connection("closes with 4401 when the token is bad or missing")],
  },
];

/** How work was done. */
const process: readonly Omit<Lesson, "number">[] = [
  {
    failure: "Every consolidation kept the old paths, with fallbacks that behaved differently",
    law: "one way to a socket",
    proofs: [...onlySupervisorWrites, rule("only the gateway opens sockets (ws)")],
  },
  {
    failure: "Critical tests were switched off, and mocks reported success",
    law: "real servers, no skipped tests",
    proofs: [test("test/lessons.test.ts")("finds no test that is skipped or left out")],
  },
  {
    failure: "An asynchronous call was never awaited, a signature had drifted",
    law: "compiler, no floating promises",
    proofs: [rule("a promise is never left floating"), rule("`any` is refused")],
  },
  {
    failure: "Socket code imported agent code in a circle, and agents were never registered",
    law: "layers import one way",
    proofs: [
      rule("an import cycle is refused"),
      rule("the protocol cannot import a machine"),
      rule("a machine cannot import from src"),
      rule("the client cannot import the server"),
    ],
  },
];

export const lessons: readonly Lesson[] = [...lost, ...astray, ...races, ...auth, ...process].map((lesson, index) => ({
  number: index + 1,
  ...lesson,
}));
