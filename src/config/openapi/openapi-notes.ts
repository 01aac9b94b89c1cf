/**
 * What is said about an OpenAPI document while it is read.
 *
 * Thread: loader. A mistake makes the document unusable. What is unsupported is not judged, and the
 * rest of the document is: `onUnsupported` says whether that is enough.
 */

export interface OpenapiNote {
  /** JSON Pointer into the document. */
  readonly at: string;
  readonly text: string;
  readonly kind: 'mistake' | 'unsupported';
}

export class OpenapiNotes {
  private readonly notes: OpenapiNote[] = [];
  private readonly known = new Set<string>();

  get list(): readonly OpenapiNote[] {
    return this.notes;
  }

  mistake(at: string, text: string): void {
    this.add({ at, text, kind: 'mistake' });
  }

  unsupported(at: string, text: string): void {
    this.add({ at, text, kind: 'unsupported' });
  }

  /** Said once, however often it is found. */
  add(note: OpenapiNote): void {
    const key = `${note.at}\n${note.text}`;
    if (this.known.has(key)) return;
    this.known.add(key);
    this.notes.push(note);
  }

  addAll(notes: readonly OpenapiNote[]): void {
    for (const note of notes) this.add(note);
  }
}
