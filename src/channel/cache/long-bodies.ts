/**
 * Long bodies of stored replies that this thread has copied out of their segments.
 *
 * Thread: any (both ends). One for each reader. What goes out in several pieces, the last of them
 * perhaps much later, has to be a copy: its entry may go meanwhile. All replies that are under way
 * with one body share one copy, however many slow clients there are, and the next ones take it as
 * long as it is kept.
 *
 * Invariants: a copy is kept by place and sequence of its entry, so that it is the entry's own for
 * as long as the entry is found; nobody writes into it. A bounded number of bytes is kept, outside
 * of `cache.memory`; others are known as long as some reply holds them.
 */

/** Shorter bodies go out at once: see hot-bodies.ts. */
const BODY_BYTES_MIN = 64 * 1024 + 1;
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Copies that are known. */
const BODIES_MAX = 256;

interface LongBody {
  readonly sequence: number;
  readonly bytes: number;
  readonly held: WeakRef<Buffer>;
  /** null: only replies that are under way hold it. */
  kept: Buffer | null;
}

export class LongBodies {
  /** By place; the one that was used last is the last. */
  private readonly bodies = new Map<number, LongBody>();
  private keptBytes = 0;

  takes(bodyBytes: number): boolean {
    return bodyBytes >= BODY_BYTES_MIN;
  }

  /** null: there is no copy. */
  find(segment: number, slot: number, sequence: number): Buffer | null {
    const key = keyOf(segment, slot);
    const known = this.bodies.get(key);
    if (known === undefined) return null;
    const body = known.sequence === sequence ? known.held.deref() : undefined;
    if (body === undefined) {
      this.forget(key, known);
      return null;
    }
    this.bodies.delete(key);
    this.bodies.set(key, known);
    return body;
  }

  /** `body` was copied whole, and nobody writes into it. */
  keep(segment: number, slot: number, sequence: number, body: Buffer): void {
    const key = keyOf(segment, slot);
    const before = this.bodies.get(key);
    if (before !== undefined) this.forget(key, before);
    const isKept = body.length <= KEPT_BYTES_MAX;
    this.keptBytes += isKept ? body.length : 0;
    this.bodies.set(key, {
      sequence,
      bytes: body.length,
      held: new WeakRef(body),
      kept: isKept ? body : null,
    });
    this.bound();
  }

  private bound(): void {
    for (const [key, one] of this.bodies) {
      const isTooMany = this.bodies.size > BODIES_MAX;
      if (!isTooMany && this.keptBytes <= KEPT_BYTES_MAX) return;
      if (isTooMany) this.forget(key, one);
      else this.letGo(one);
    }
  }

  private forget(key: number, one: LongBody): void {
    this.letGo(one);
    this.bodies.delete(key);
  }

  private letGo(one: LongBody): void {
    if (one.kept === null) return;
    this.keptBytes -= one.bytes;
    one.kept = null;
  }
}

function keyOf(segment: number, slot: number): number {
  return segment * 2 ** 32 + slot;
}
