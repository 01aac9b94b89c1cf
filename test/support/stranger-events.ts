/** What an acceptor says of strangers, in order: `away`, `given up`, `tls`, `mistake` or `dropped`, and the rest. */
import type { StrangerEvents } from '../../src/acceptor/stranger-notes.js';

export class RecordedStrangers implements StrangerEvents {
  readonly told: string[] = [];

  onTurnedAway(_listener: string, reason: string): void {
    this.told.push(`away: ${reason}`);
  }

  onMistake(_listener: string, reason: string): void {
    this.told.push(`mistake: ${reason}`);
  }

  onGivenUp(_listener: string, reason: string): void {
    this.told.push(`given up: ${reason}`);
  }

  onHandshakeFailed(_listener: string, reason: string): void {
    this.told.push(`tls: ${reason}`);
  }

  onDroppedFields(
    _listener: string,
    { droppedFields, droppedName }: { droppedFields: number; droppedName: string },
  ): void {
    this.told.push(`dropped: ${droppedFields} ${droppedName}`);
  }
}
