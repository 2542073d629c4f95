/**
 * The same machine, faster: a flat chart whose transitions only assign, read once into a table of guards and
 * assigners. What comes out is logic for the normal `createActor`, with the same snapshots, mailbox and inspection,
 * and the machine stays the one truth: a property test holds the two equal on random words.
 *
 * The runtime compiles the run machine because every lifecycle event of every run passes it.
 */
import type { AnyActorScope, AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from "xstate";

type Context = Readonly<Record<string, unknown>>;
interface Args {
  readonly context: Context;
  readonly event: AnyEventObject;
}
type Params = Readonly<Record<string, unknown>> | undefined;
type Guard = (args: Args, params: Params) => boolean;
type Assigner = ((args: Args, params: Params) => Context) | Readonly<Record<string, unknown>>;

interface Row {
  readonly guard: ((args: Args) => boolean) | undefined;
  readonly assigns: readonly ((args: Args) => Context)[];
  /** Undefined: it stays. */
  readonly target: string | undefined;
}

type Table = Readonly<Record<string, ReadonlyMap<string, readonly Row[]>>>;

/** A name, or a name with params: what `setup` lets a config say. */
interface Reference {
  readonly name: string;
  readonly params: Params;
}

class NotCompilable extends Error {
  constructor(machine: Pick<AnyStateMachine, "id">, what: string) {
    super(`machine ${machine.id} cannot be compiled: ${what}`);
  }
}

function referenceOf(machine: AnyStateMachine, said: unknown): Reference {
  if (typeof said === "string") return { name: said, params: undefined };
  const { type, params } = said as { type?: unknown; params?: unknown };
  if (typeof type !== "string" || typeof params === "function") throw new NotCompilable(machine, "params are computed");
  return { name: type, params: params as Params };
}

function guardOf(machine: AnyStateMachine, said: unknown): Row["guard"] {
  if (said === undefined) return undefined;
  const { name, params } = referenceOf(machine, said);
  const guard = machine.implementations.guards[name] as Guard | undefined;
  if (typeof guard !== "function") throw new NotCompilable(machine, `guard ${name} is not a function`);
  return (args) => guard(args, params);
}

function assignOf(machine: AnyStateMachine, said: unknown): (args: Args) => Context {
  const { name, params } = referenceOf(machine, said);
  const action = machine.implementations.actions[name] as { type?: string; assignment?: Assigner } | undefined;
  const assignment = action?.assignment;
  if (action?.type !== "xstate.assign" || assignment === undefined)
    throw new NotCompilable(machine, `action ${name} does more than assign`);
  if (typeof assignment === "function") return (args) => assignment(args, params);
  const fields = Object.entries(assignment);
  return (args) => {
    const partial: Record<string, unknown> = {};
    for (const [field, value] of fields) partial[field] = typeof value === "function" ? value(args, params) : value;
    return partial;
  };
}

function tableOf(machine: AnyStateMachine): Table {
  const table: Record<string, Map<string, readonly Row[]>> = {};
  for (const [name, node] of Object.entries(machine.states)) {
    if (node.type !== "atomic") throw new NotCompilable(machine, `state ${name} is not atomic`);
    const more = [...node.entry, ...node.exit, ...node.invoke, ...node.after, ...(node.always ?? [])];
    if (more.length > 0) throw new NotCompilable(machine, `state ${name} does more than react`);
    const rows = new Map<string, readonly Row[]>();
    for (const [type, transitions] of node.transitions) {
      const row = transitions.map(
        ({ guard, actions, target }): Row => ({
          guard: guardOf(machine, guard),
          assigns: actions.map((action) => assignOf(machine, action)),
          target: target?.[0]?.key,
        }),
      );
      rows.set(type, row);
    }
    table[name] = rows;
  }
  if (machine.root.transitions.size > 0) throw new NotCompilable(machine, "its root reacts");
  return table;
}

/**
 * Logic that steps by table.
 *
 * Fails: throws for a machine that is not flat, or whose transitions do more than assign.
 */
export function compiled<Machine extends AnyStateMachine>(machine: Machine): Machine {
  const table = tableOf(machine);
  const templates = new Map<string, AnyMachineSnapshot>();
  for (const value of Object.keys(table))
    templates.set(value, machine.resolveState({ value, context: {} }) as AnyMachineSnapshot);

  function transition(snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: AnyActorScope): AnyMachineSnapshot {
    // `xstate.stop` and its kin are the interpreter's own business.
    if (event.type.startsWith("xstate.")) return machine.transition(snapshot, event, scope) as AnyMachineSnapshot;
    const rows = table[snapshot.value as string]?.get(event.type);
    if (rows === undefined) return snapshot;
    let context = snapshot.context as Context;
    const row = rows.find(({ guard }) => guard === undefined || guard({ context, event }));
    if (row === undefined) return snapshot;
    for (const assign of row.assigns) context = { ...context, ...assign({ context, event }) };
    const template = row.target === undefined ? snapshot : (templates.get(row.target) ?? snapshot);
    return { ...template, context } as AnyMachineSnapshot;
  }

  const [first] = machine.root.initial.target;
  const initial = first && templates.get(first.key);
  if (initial === undefined) throw new NotCompilable(machine, "it has no initial state");
  const { context } = machine.config as { context?: Context | ((args: { readonly input: unknown }) => Context) };

  function getInitialSnapshot(_scope: AnyActorScope, input: unknown): AnyMachineSnapshot {
    return {
      ...initial,
      context: typeof context === "function" ? context({ input }) : (context ?? {}),
    } as AnyMachineSnapshot;
  }

  const steps = { transition: { value: transition }, getInitialSnapshot: { value: getInitialSnapshot } };
  return Object.create(machine, steps) as Machine;
}
