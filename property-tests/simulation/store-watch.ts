/** What only several nodes on one store can bring about, told by the answers that the store gives them. */
import type { Append, Appended } from "../../src/log/event-log.ts";
import type { Sometimes } from "./sometimes.ts";

export class StoreWatch {
  private readonly sometimes: Sometimes;
  /** By run: who wrote its runner's word last, and who wrote its end. */
  private readonly heardBy = new Map<string, string>();
  private readonly endedBy = new Map<string, string>();
  /** Keys of what was said on an old picture. */
  private readonly conflicts = new Set<string>();

  constructor(sometimes: Sometimes) {
    this.sometimes = sometimes;
  }

  /** This node has heard what became of its append. */
  answered(node: string, { run, events }: Append, { kind }: Appended): void {
    if (run === undefined) return;
    const { runId, fence, ended } = run;
    const key = `${node}/${events.find((event) => event.key !== undefined)?.key?.name}`;
    if (kind === "seq_conflict") this.conflicts.add(key);
    if (kind === "run_ended" && ended !== undefined && this.endedBy.get(runId) !== node)
      this.sometimes.note("two nodes would end one run");
    if (kind !== "appended") return;
    if (this.conflicts.delete(key))
      this.sometimes.note("a node judges by an old picture, and what was said is written all the same");
    if (ended !== undefined) {
      if (fence === undefined && (this.heardBy.get(runId) ?? node) !== node)
        this.sometimes.note("a run is ended by another node than the one that heard its runner last");
      this.endedBy.set(runId, node);
    }
    if (fence !== undefined) this.heardBy.set(runId, node);
  }
}
