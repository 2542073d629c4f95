/*
 * The small protocol under everything: one stream with one run in it, two runners, one device. Appends under a fence and
 * a key, commits, crashes that lose what was not committed, an old copy put back (a new epoch), links that are cut with
 * frames on them, resume at a cursor, cumulative acks. Spin walks through every interleaving; its random walks are
 * replayed against the real code (see property-tests/model.test.ts).
 *
 * One process: each alternative of its loop is one step of somebody. Every step says its name and outcome, so that a
 * walk can be replayed. Each -D switch plants a bug that the assertions must find.
 */
#ifndef EVENTS
#define EVENTS 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CUTS
#define CUTS 1
#endif
#define RUNNERS 2
#define FENCES 6

/* The log. What stands behind `head` is not committed. */
byte held[EVENTS + 1];       /* event ids by offset */
byte head = 0;
byte tail = 0;
byte epoch = 1;
byte fence = 1;
byte lastFence = 0;          /* under which the newest event was written */
byte maxFence = 1;           /* the greatest that was ever given */

/* A copy of the log that may be put back. */
bool isSaved = false;
byte savedHead;
byte savedFence;

/* Runners: the event that each is about to have written, until it knows what became of it. */
byte mine[RUNNERS];          /* the fence that it holds; 0: none */
byte out[RUNNERS];
bool asked[RUNNERS];
byte nextId = 1;
bool accepted[EVENTS + 1];   /* by id: its runner was told that it is safe */

/* The connection, frames in order. */
bool isOpen = false;
byte sent = 0;
byte acked = 0;
chan down = [EVENTS] of { byte, byte };
chan up = [1] of { byte };

/* The device. */
byte cursorEpoch = 0;        /* 0: it has no cursor yet */
byte cursor = 0;
byte said = 0;               /* the last ack on this connection */
bool seen[EVENTS + 1];       /* ids that its application was handed in this epoch */

/* Troubles that are still to come. */
byte crashes = CRASHES;
byte cuts = CUTS;
byte claims = 1;
byte copies = 1;

byte at, id, r;              /* scratch; cleared so that they make no states */
bool isKnown;

inline locate(what) {        /* at: its offset, 0 when it is not there */
  at = tail;
  do
  :: at > 0 && held[at] != what -> at--
  :: else -> break
  od
}

inline drop_link() {
  isOpen = false;
  sent = 0;
  said = 0;
  do
  :: len(down) > 0 -> down?_,_
  :: len(up) > 0 -> up?_
  :: len(down) == 0 && len(up) == 0 -> break
  od
}

inline lose_uncommitted() {
  do
  :: tail > head -> held[tail] = 0; tail--
  :: else -> break
  od;
  r = 0;
  do
  :: r < RUNNERS -> asked[r] = false; r++
  :: else -> break
  od;
  r = 0
}

inline check() {
  /* L6: what was acknowledged to its runner is in the log. */
  id = 1;
  do
  :: id <= EVENTS ->
    locate(id);
    isKnown = (at > 0 && at <= head);
    assert(!accepted[id] || isKnown);
    /* L7: what a device saw is in the log that it saw it in. */
    assert(!seen[id] || cursorEpoch != epoch || isKnown);
    id++
  :: else -> break
  od;
  id = 0; at = 0; isKnown = false;
  assert(cursorEpoch != epoch || cursor <= head);
  assert(acked <= head)
}

inline append(who) {
  r = who; id = out[r];
  locate(id);
  if
#ifndef NO_FENCE
  :: mine[r] != fence -> printf("step append %d %d fenced\n", r, id); out[r] = 0
#endif
#ifndef NO_KEYS
#ifndef NO_FENCE
  :: mine[r] == fence && at > 0 -> printf("step append %d %d known\n", r, id); asked[r] = true
#else
  :: at > 0 -> printf("step append %d %d known\n", r, id); asked[r] = true
#endif
#endif
  :: else ->
    printf("step append %d %d written\n", r, id);
    assert(at == 0);                     /* a key is written once */
    assert(mine[r] >= lastFence);        /* L14 */
    lastFence = mine[r];
    tail++; held[tail] = id; asked[r] = true
  fi;
  r = 0; id = 0; at = 0
}

inline answer(who) {
  r = who;
  locate(out[r]);
  printf("step answer %d %d %d\n", r, out[r], at);
  accepted[out[r]] = true; out[r] = 0; asked[r] = false;
  r = 0; at = 0
}

/* Whether the commit that this runner waits for is there. */
#ifdef ACK_BEFORE_COMMIT
#define IS_SAFE(who) (asked[who])
#else
#define IS_SAFE(who) (asked[who] && tail == head)
#endif
#ifdef DELIVER_BEFORE_COMMIT
#define SENDABLE tail
#else
#define SENDABLE head
#endif

active proctype world() {
  mine[0] = 1;
  do
  /* Runners. */
  :: atomic { mine[0] > 0 && out[0] == 0 && nextId <= EVENTS -> out[0] = nextId; nextId++ }
  :: atomic { mine[1] > 0 && out[1] == 0 && nextId <= EVENTS -> out[1] = nextId; nextId++ }
  :: atomic { out[0] != 0 && !asked[0] -> append(0); check() }
  :: atomic { out[1] != 0 && !asked[1] -> append(1); check() }
  :: atomic { IS_SAFE(0) -> answer(0); check() }
  :: atomic { IS_SAFE(1) -> answer(1); check() }
  /* A claim waits for what is under way. */
  :: atomic { claims > 0 && tail == head && fence < FENCES ->
       claims--;
       fence++; maxFence = (maxFence > fence -> maxFence : fence);
       mine[1] = fence;
       printf("step claim 1 %d\n", fence) }

  /* The log. */
  :: atomic { tail > head -> head = tail; printf("step commit %d\n", head); check() }
  :: atomic { crashes > 0 ->
       crashes--; printf("step crash\n"); lose_uncommitted(); drop_link(); check() }
  :: atomic { !isSaved && head > 0 && tail == head ->
       isSaved = true; savedHead = head; savedFence = fence; printf("step copy %d\n", head) }
  :: atomic { isSaved && copies > 0 && tail == head ->
       copies--;
       printf("step restore %d\n", savedHead);
       lose_uncommitted(); drop_link();
       do
       :: head > savedHead -> accepted[held[head]] = false; held[head] = 0; head--
       :: else -> break
       od;
       tail = head;
       acked = (acked > head -> head : acked);
#ifndef KEEP_EPOCH
       epoch++;
#endif
#ifdef KEEP_FENCES
       fence = savedFence;
#else
       /* Nobody who held the run in the lost history holds it now. */
       maxFence++; fence = maxFence;
#endif
       check() }

  /* The connection. */
  :: atomic { !isOpen ->
       if
       :: cursorEpoch == 0 -> cursorEpoch = epoch; sent = 0; printf("step connect fresh 0\n")
       :: cursorEpoch == epoch && cursor <= head ->
#ifdef RESUME_AT_ACKED
          sent = acked;
#else
          sent = cursor;
#endif
#ifndef RESUME_ACKS_NOTHING
          acked = (cursor > acked -> cursor : acked);
#endif
          said = cursor;
          printf("step connect replayed %d\n", cursor)
#ifdef PARTIAL_REPLAY
       :: cursorEpoch != 0 && cursorEpoch != epoch && cursor <= head -> cursorEpoch = epoch; sent = cursor; printf("step connect replayed %d\n", cursor)
#endif
       :: else ->
          cursorEpoch = epoch; cursor = head; sent = head;
          id = 1;
          do :: id <= EVENTS -> seen[id] = false; id++ :: else -> break od;
          id = 0;
          printf("step connect gap %d\n", head)
       fi;
       isOpen = true; check() }
  :: atomic { isOpen && sent < SENDABLE && nfull(down) -> sent++; down!sent,held[sent] }
  :: atomic { isOpen && cuts > 0 -> cuts--; printf("step cut\n"); drop_link() }
  :: atomic { nempty(up) ->
       up?at;
       if
#ifndef ACK_ANYTHING
       :: at > sent -> skip
#endif
       :: else -> acked = (at > acked -> at : acked)
       fi;
       at = 0; check() }

  /* The device. */
  :: atomic { nempty(down) ->
       down?at,id;
       printf("step take %d %d\n", at, id);
       assert(at <= cursor + 1);          /* L4: a link in order has no hole */
       if
       :: at == cursor + 1 ->
          assert(!seen[id]);              /* L5 */
          assert(at <= head && held[at] == id);
          seen[id] = true; cursor = at
       :: else ->
#ifdef NO_DEDUP
          assert(!seen[id])
#else
          skip
#endif
       fi;
       at = 0; id = 0; check() }
  :: atomic { isOpen && cursor > said && nfull(up) ->
#ifdef ACK_AHEAD
       said = cursor + 1; up!cursor + 1;
#else
       said = cursor; up!cursor;
#endif
       printf("step ack %d\n", cursor) }

  /* Nothing more can happen: everybody knows everything (L9, L10). */
  :: else -> break
  od;
  assert(isOpen && tail == head && cursor == head && acked == head && out[0] == 0 && out[1] == 0);
  printf("step end %d\n", head)
}
