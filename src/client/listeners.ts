/** Those who want to hear of one thing. A listener that throws harms nobody else, as with the platform's EventTarget. */
export type Unsubscribe = () => void;

export class Listeners<Value> {
  readonly #all = new Set<{ readonly call: (value: Value) => void }>();

  /** Adds a listener; the same function twice is called twice. */
  add(call: (value: Value) => void): Unsubscribe {
    const entry = { call };
    this.#all.add(entry);
    return () => this.#all.delete(entry);
  }

  emit(value: Value): void {
    for (const { call } of [...this.#all]) {
      try {
        call(value);
      } catch (error) {
        // Uncaught, as it would be in an event handler: hiding it would hide the application's bug.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
