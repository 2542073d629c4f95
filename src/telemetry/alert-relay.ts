/** Takes alerts from those who are made before the board: what they say waits until it is there. */
import type { Alert, Alerts } from "./alerts.ts";

export class AlertRelay implements Alerts {
  private board: Alerts | undefined;
  private early: ((board: Alerts) => void)[] = [];

  connect(board: Alerts): void {
    this.board = board;
    for (const say of this.early.splice(0)) say(board);
  }

  raise(alert: Alert): void {
    this.say((board) => board.raise(alert));
  }

  resolve(name: string, labels?: Alert["labels"]): void {
    this.say((board) => board.resolve(name, labels));
  }

  private say(call: (board: Alerts) => void): void {
    if (this.board) call(this.board);
    else this.early.push(call);
  }
}
