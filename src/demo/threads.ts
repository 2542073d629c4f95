/** What was said in each thread, so that the demo agent remembers. In memory and bounded: it is a demo. */

export interface Said {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface ThreadOf {
  readonly tenantId: string;
  readonly userId: string;
  readonly threadId?: string | undefined;
}

const maxThreads = 500;
const maxMessages = 20;

export class Threads {
  private readonly threads = new Map<string, readonly Said[]>();

  /** The newest messages, oldest first. */
  of(thread: ThreadOf): readonly Said[] {
    return this.threads.get(keyOf(thread)) ?? [];
  }

  add(thread: ThreadOf, said: readonly Said[]): void {
    const key = keyOf(thread);
    const all = [...this.of(thread), ...said].slice(-maxMessages);
    // Moves it to the end: the one unused for longest goes first.
    this.threads.delete(key);
    this.threads.set(key, all);
    if (this.threads.size <= maxThreads) return;
    const oldest = this.threads.keys().next();
    if (!oldest.done) this.threads.delete(oldest.value);
  }
}

/** Owner and tenant are in the key: no thread id of one user can name another's (L8). */
const keyOf = ({ tenantId, userId, threadId = "" }: ThreadOf): string => JSON.stringify([tenantId, userId, threadId]);
