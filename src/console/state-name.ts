/** The states of a run in words. */
const names: Partial<Record<string, string>> = { toolExecuting: "tool executing", toolCompleted: "tool completed" };

/** `toolExecuting` → `tool executing` */
export const stateName = (state: string): string => names[state] ?? state;
