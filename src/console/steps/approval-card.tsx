/** A question that the run waits on. The first answer wins, whoever gives it; a refusal is shown. */
import { useState } from "react";
import type { ApprovalView } from "../../../protocol/run-view.ts";
import { untilText } from "../durations.ts";
import { Icon } from "../icon.tsx";

export type ResolveApproval = (approvalId: string, decision: "approve" | "deny") => Promise<unknown>;

export function ApprovalCard({
  approval,
  resolve,
}: {
  readonly approval: ApprovalView;
  readonly resolve: ResolveApproval;
}) {
  const [sent, setSent] = useState<"approve" | "deny">();
  const [refusal, setRefusal] = useState<string>();
  const answer = (decision: "approve" | "deny") => {
    setSent(decision);
    setRefusal(undefined);
    resolve(approval.approvalId, decision).catch((error: unknown) => {
      setSent(undefined);
      setRefusal(error instanceof Error ? error.message : String(error));
    });
  };
  return (
    <div className="approval" role="group" aria-label="Approval needed" data-testid="approval">
      <p className="approval-prompt">
        <Icon name="pause" size={15} />
        {approval.prompt ?? "The run asks for your approval."}
      </p>
      <div className="approval-actions">
        <button
          type="button"
          className="button primary"
          disabled={sent !== undefined}
          onClick={() => answer("approve")}
          data-testid="approve"
        >
          <Icon name="check" size={14} />
          {sent === "approve" ? "Approving…" : "Approve"}
        </button>
        <button
          type="button"
          className="button danger"
          disabled={sent !== undefined}
          onClick={() => answer("deny")}
          data-testid="deny"
        >
          <Icon name="cross" size={14} />
          {sent === "deny" ? "Denying…" : "Deny"}
        </button>
      </div>
      {approval.expiresAt !== undefined && (
        <p className="approval-until">
          Until {untilText(approval.expiresAt, Date.now())}; without an answer it is denied.
        </p>
      )}
      {refusal !== undefined && (
        <p className="refusal" role="alert">
          {refusal}
        </p>
      )}
    </div>
  );
}
